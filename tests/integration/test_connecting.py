"""What a connection does when the link to the database is cut: it is given up while somebody may still wait for it. And what
a log says of the end of one."""

import socket
import sys
from contextlib import closing
from typing import Any

import psycopg
import pytest

from models.store.connecting import connect, in_words

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems name these options otherwise")


@LINUX
@pytest.mark.parametrize(
    ("option", "seconds"),
    [
        ("TCP_USER_TIMEOUT", 15_000),  # milliseconds, of what was sent and nobody confirmed
        ("TCP_KEEPIDLE", 5),
        ("TCP_KEEPINTVL", 2),
        ("TCP_KEEPCNT", 3),
    ],
)
def test_a_connection_into_a_cut_link_is_given_up(database_url: str, option: str, seconds: int) -> None:
    with closing(connect(database_url, "a test")) as connection, socket.socket(fileno=connection.fileno()) as line:
        held = line.getsockopt(socket.IPPROTO_TCP, getattr(socket, option))
        line.detach()
    assert held == seconds


def ended_by(connection: "psycopg.Connection[Any]", *statements: str) -> BaseException:
    with pytest.raises(psycopg.Error) as met:
        for one in statements:
            connection.execute(one)  # type: ignore[arg-type]
    return met.value


def test_a_log_says_in_words_what_ended_a_connection(database_url: str) -> None:
    with connect(database_url, "who waits") as waits, connect(database_url, "who ends", autocommit=True) as ends:
        too_slow = ended_by(waits, "SET statement_timeout = 10", "SELECT pg_sleep(60)")
        waits.rollback()
        ends.execute("SELECT pg_terminate_backend(%s)", [waits.info.backend_pid])
        ended = ended_by(waits, "SELECT 1", "SELECT 1")
        quoting = ended_by(ends, "SELECT 'Anna Smith'::int")
    assert in_words(too_slow) == "a statement took longer than the database allows"
    assert str(in_words(ended)).startswith("the database ended the connection")
    assert "Smith" in str(quoting) and in_words(quoting) is None
    assert in_words(psycopg.OperationalError("server closed the connection")) == "the database does not answer any more"
