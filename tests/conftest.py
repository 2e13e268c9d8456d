"""What the tests share: a real Kafka and a real PostgreSQL, started once, and a fresh database for each test."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import settings as examples
from psycopg import sql

from models import store
from models.errors import CallerFault
from rxpulse import home as homes
from rxpulse import keys, parts, ports, postgres
from rxpulse.process import last_lines, tether

_TEMPLATE = "test_template"
_WITHIN_SECONDS = 120.0
_PORTS = range(10_000, 32_000)
"""Below those that systems take for outgoing connections, as `rxpulse.ports`."""
_BLOCK, _BLOCKS_TRIED = 10, 20
# How long an example takes says more about the machine than about what is tested. All else stays as it is, in CI too.
examples.register_profile("unhurried", examples(), deadline=None)
examples.load_profile("unhurried")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests (marked `anyio`) run on asyncio."""
    return "asyncio"


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A real Kafka and a real PostgreSQL. `database_url` is the administrator's, of the database `postgres`."""

    home: Path
    kafka: str
    database_url: str

    def url_of(self, database: str) -> str:
        """The administrator's URL of another database."""
        return urlsplit(self.database_url)._replace(path=f"/{database}").geturl()


def require_program(program: str, package: str) -> str:
    """The path of a system program; the test is skipped where it is missing, and fails where it must not be (CI)."""
    found = shutil.which(program)
    if found is None:
        miss(f"{program} is not installed: apt-get install {package}")
    return found or ""


def miss(reason: str) -> None:
    """Something that the tests need is missing: they are skipped, and fail where it must not be (CI)."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def own_home() -> Iterator[Path]:
    """An empty folder that the account of the database may pass through, which pytest's own folders forbid."""
    home = Path(tempfile.mkdtemp(prefix="rxpulse-test-"))
    home.chmod(0o755)
    yield home / "home"
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """Kafka and PostgreSQL for the whole session, on ports of their own, in a folder of their own."""
    try:
        parts.java()
        parts.postgres_part(parts.read_lock())
    except CallerFault as fault:
        miss(str(fault))
    with running_stack(sys.executable, "-m", "rxpulse") as running:
        yield running


@contextmanager
def running_stack(*command: str) -> Iterator[RunningStack]:
    """A stack of Kafka and PostgreSQL in a folder of its own; `command` is that of RxPulse."""
    folder = Path(tempfile.mkdtemp(prefix="rxpulse-tests-"))
    folder.chmod(0o755)
    home, log = folder / "home", folder / "up.log"
    process = _start(command, home, log)
    try:
        yield _await_up(process, home, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(folder)


def _start(command: Sequence[str], home: Path, log: Path) -> "subprocess.Popen[bytes]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("RXPULSE_")}
    if cache := os.environ.get("RXPULSE_CACHE"):
        env["RXPULSE_CACHE"] = cache
    env |= {"RXPULSE_HOME": str(home), "RXPULSE_PORTS": str(_own_ports())}
    with log.open("wb") as out:
        return subprocess.Popen(
            [*command, "up", "--only", "kafka", "--only", "postgres"],
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Tests that are killed take their stack with them.
            preexec_fn=tether(signal.SIGTERM),
        )


def _own_ports() -> int:
    """The first port to try, by chance, from a share of this process's own: where tests run side by side (xdist), two stacks
    that start together might else find the same ports free."""
    place = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = len(_PORTS) // _BLOCK // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return _PORTS[(place * share + secrets.randbelow(share - _BLOCKS_TRIED)) * _BLOCK]


def _await_up(process: "subprocess.Popen[bytes]", home: Path, log: Path) -> RunningStack:
    give_up = time.monotonic() + _WITHIN_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        state = homes.read_state(home)
        if state is not None and state.complete:
            port, held = ports.block(state.base), keys.ensure(home)
            address = f"{postgres.ADMIN}:{held.admin}@127.0.0.1:{port['postgres']}"
            return RunningStack(home, f"127.0.0.1:{port['kafka']}", f"postgresql://{address}/postgres")
        time.sleep(0.05)
    raise RuntimeError("the tests' stack did not come up:\n" + "\n".join(last_lines(log)))


@pytest.fixture(scope="session")
def _template(stack: RunningStack) -> str | None:
    """A database that holds the tables, made once and copied for each test; None before there are any."""
    migrate: Callable[[str], None] | None = getattr(store, "migrate", None)
    if migrate is None:
        return None
    _administer(stack, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    migrate(stack.url_of(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def database_url(stack: RunningStack, _template: str | None) -> Iterator[str]:
    """The URL of a fresh database with all tables, which is gone after the test."""
    name = sql.Identifier(fresh := f"test_{secrets.token_hex(6)}")
    template = sql.SQL(" TEMPLATE {}").format(sql.Identifier(_template)) if _template else sql.SQL("")
    _administer(stack, sql.SQL("CREATE DATABASE {}{}").format(name, template))
    yield stack.url_of(fresh)
    _administer(stack, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _administer(stack: RunningStack, statement: sql.Composed) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder with real data to test with."""
    named = os.environ.get("RXPULSE_TEST_DATA")
    if not named:
        pytest.skip("RXPULSE_TEST_DATA is not set: it names the folder with the real data to test with")
    if not Path(named).is_dir():
        pytest.fail(f"RXPULSE_TEST_DATA names {named}, which is no folder")
    return Path(named)
