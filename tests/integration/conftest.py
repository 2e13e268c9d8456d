"""What tests of one part share here: for the console a store with work in it, and the console served over it; for the judge a
worker that counts, its seat, and a worker that hears feeds; for the ledger one in PostgreSQL and one in memory; for the intake
one that runs, and what it writes. A test that wants another has a fixture of its own by that name."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from argon2 import PasswordHasher

from models.store import passwords, policies, writing
from models.store.ledger import Ledger
from models.store.memory import Memory, MemoryLedger
from models.store.rebuilding import forget_facts
from models.store.seat import Seat
from models.store.sql import SqlLedger
from tests.conftest import RunningStack
from tests.console import Served, Story, serving
from tests.hearing import HEARD_FOR_20M, Ear
from tests.intake import Intake, receiving
from tests.judging import FIRST, PARTITIONS, Floor
from tests.ledgers import POLICIES, Open
from tests.topics import Tail, tail


@pytest.fixture
def story(database_url: str) -> Iterator[Story]:
    one = Story(database_url)
    yield one
    one.connection.close()


@pytest.fixture
def console(story: Story, database_url: str) -> Iterator[Served]:
    with serving(database_url) as served:
        yield served


@pytest.fixture
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost nothing; one test looks at what they cost in truth."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(1, 8, 1))


@pytest.fixture
def floor(database_url: str) -> Iterator[Floor]:
    policies.begin(database_url, FIRST, "a test")
    ledger = SqlLedger(database_url, "w0")
    ledger.claim("a-cluster", range(PARTITIONS), "w0")
    yield Floor(database_url, ledger)
    ledger.close()


@pytest.fixture
def seat(floor: Floor) -> Iterator[Seat]:
    with closing(Seat(floor.url, "w0")) as opened:
        yield opened


@pytest.fixture
def ear(request: pytest.FixtureRequest, database_url: str) -> Iterator[Ear]:
    with closing(Ear(database_url, getattr(request, "param", HEARD_FOR_20M))) as opened:
        yield opened


@pytest.fixture(scope="module")
def intake(stack: RunningStack) -> Iterator[Intake]:
    with receiving(stack) as running:
        yield running


@pytest.fixture
def written(intake: Intake) -> Iterator[Tail]:
    with tail(intake.settings.required_kafka()) as found:
        yield found


@pytest.fixture
def memory() -> Memory:
    """What all ledgers in memory of a test lie over."""
    return Memory(POLICIES)


@pytest.fixture(params=["memory", "sql", "sql, as many rows"])
def ledgers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, memory: Memory) -> Iterator[Open]:
    """Opens ledgers of several workers over one store."""
    if "many" in request.param:
        monkeypatch.setattr(writing, "FEW", 0)
    if request.param == "memory":
        yield lambda owner: MemoryLedger(memory)
        return
    url = request.getfixturevalue("database_url")
    opened: list[SqlLedger] = []

    def sql(owner: str) -> Ledger:
        opened.append(SqlLedger(url, owner))
        return opened[-1]

    yield sql
    for ledger in opened:
        ledger.close()


@pytest.fixture
def forget(ledgers: Open, request: pytest.FixtureRequest, memory: Memory) -> Callable[[], None]:
    """Empties that store of its facts."""
    if isinstance(ledgers("nobody"), MemoryLedger):
        return memory.forget
    url = request.getfixturevalue("database_url")
    return lambda: forget_facts(url)
