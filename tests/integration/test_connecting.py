"""What a connection does when the link to the database is cut: it is given up while somebody may still wait for it."""

import socket
import sys
from contextlib import closing

import pytest

from models.store.connecting import connect

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
