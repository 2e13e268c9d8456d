"""What the containers run beside the roles, on the real servers: the databases made from settings alone, the demonstration."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from models import policy_text
from rxpulse import plan
from tests.conftest import RunningStack
from tests.live import living, now, stat, until

POLICY = policy_text.read('extends = ["inpatient", "retail"]\n', file="test")


def ran(env: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RXPULSE_")}
    argv = [sys.executable, "-m", "rxpulse", *words]
    return subprocess.run(argv, env=clean | env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def name(stack: RunningStack) -> Iterator[str]:
    """The name of a role and of its database, both gone afterwards."""
    name = f"site_{secrets.token_hex(4)}"
    yield name
    with psycopg.connect(stack.database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def test_a_database_is_made_from_the_settings_and_the_reader_reads_its_views(
    stack: RunningStack, name: str, tmp_path: Path
) -> None:
    where = urlsplit(stack.database_url).netloc.rpartition("@")[2]
    password = (stack.home / "keys" / "postgres-reader.password").read_text().strip()
    env = {
        "RXPULSE_HOME": str(tmp_path),
        "RXPULSE_ADMIN_URL": stack.database_url,
        "RXPULSE_DATABASE_URL": f"postgresql://{name}:of-a-test@{where}/{name}",
        "RXPULSE_PREFECT_PASSWORD": "not-used",
        # The role is one for the whole server: what the others use of it stays as it is.
        "RXPULSE_READER_PASSWORD": password,
    }
    for words in ("_provision", "_migrate", "_provision", "_migrate"):
        done = ran(env, words)
        assert done.returncode == 0, done.stderr
    with psycopg.connect(f"postgresql://{plan.READER}:{password}@{where}/{name}") as reader:
        assert reader.execute("SELECT count(*) FROM grafana.queues").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT count(*) FROM cases")
    with psycopg.connect(stack.url_of(name)) as admin:
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(plan.READER)))


@pytest.mark.parametrize("missing", ["RXPULSE_PREFECT_PASSWORD", "RXPULSE_READER_PASSWORD"])
def test_a_password_that_is_missing_is_asked_for(missing: str, tmp_path: Path) -> None:
    env = {
        "RXPULSE_HOME": str(tmp_path),
        "RXPULSE_ADMIN_URL": "postgresql://postgres:a@127.0.0.1:9/postgres",
        "RXPULSE_DATABASE_URL": "postgresql://rxpulse:b@127.0.0.1:9/rxpulse",
        "RXPULSE_PREFECT_PASSWORD": "c",
        "RXPULSE_READER_PASSWORD": "d",
    }
    done = ran({name: value for name, value in env.items() if name != missing}, "_provision")
    assert done.returncode == 1 and missing in done.stderr and "Traceback" not in done.stderr


def test_a_database_that_is_not_named_like_its_role_is_refused(tmp_path: Path) -> None:
    env = {
        "RXPULSE_HOME": str(tmp_path),
        "RXPULSE_ADMIN_URL": "postgresql://postgres:a@127.0.0.1:9/postgres",
        "RXPULSE_DATABASE_URL": "postgresql://rxpulse:b@127.0.0.1:9/other",
    }
    done = ran(env, "_provision")
    assert done.returncode == 1 and "a role and its database" in done.stderr


def test_the_demonstration_plays_into_a_stack_that_runs_until_it_is_asked_to_stop(
    stack: RunningStack, database_url: str, tmp_path: Path
) -> None:
    with living(stack.kafka, database_url, tmp_path, POLICY) as live:
        home = tmp_path / "home"
        home.mkdir()
        env = live.env | {"RXPULSE_PUBLIC_URL": "http://localhost:7400"}
        argv = [sys.executable, "-m", "rxpulse", "_perform"]
        with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as playing:
            assert playing.stdout is not None
            try:
                said = playing.stdout.readline()
                assert said.startswith("sign in    http://localhost:7400/"), said
                until(lambda: sum(live.ends().values()) > 100)
            finally:
                playing.send_signal(signal.SIGTERM)
            assert playing.wait(30) == 0
        assert (home / "demo.json").is_file()


def test_the_demonstration_does_not_mix_with_what_it_did_not_send(
    stack: RunningStack, database_url: str, tmp_path: Path
) -> None:
    with living(stack.kafka, database_url, tmp_path, POLICY) as live:
        live.send(stat(1, now()))
        (tmp_path / "home").mkdir()
        done = ran(live.env | {"RXPULSE_PUBLIC_URL": "http://localhost:7400"}, "_perform")
        assert done.returncode == 1 and "must not mix" in done.stderr
