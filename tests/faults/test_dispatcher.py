"""The dispatcher is killed, and people are told by whoever goes on: everybody who was to hear hears, and nobody hears twice.

Between the moment at which a message is with somebody's gateway and the one at which that is written down nobody can know
whether it came. A message whose sender dies there goes out again, under the same key and once its lease is over; nothing else
ever does.

Seen red when a lease was over within a second, when each attempt had a key of its own, and when an answer was written down before
the message was sent.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningStack
from tests.faults.conftest import EVENTS, SEED
from tests.faults.dispatching import Dispatchers, gateway
from tests.faults.proof import prove
from tests.faults.servers import pass_time
from tests.faults.trial import Trial, trying

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
AT_ONCE = 3
"""Late orders at a time, at most."""
START, WINDOW = 3.0, 0.3
"""Seconds within which a dispatcher that starts is killed, and one that has begun to tell."""


@pytest.fixture
def dispatchers(database_url: str, tmp_path: Path) -> Iterator[Dispatchers]:
    with gateway() as taking:
        made = Dispatchers(tmp_path, database_url, taking.url, SEED)
        taking.arrived = made.arrived
        yield made


@pytest.fixture
def trial(stack: RunningStack, database_url: str, tmp_path: Path, dispatchers: Dispatchers) -> Iterator[Trial]:
    """Whose people are told by a dispatcher that is a process."""
    with trying(stack.kafka, database_url, tmp_path, SEED, EVENTS, dispatchers.people, dispatchers.policy) as one:
        yield one


def killed_before_the_answer(trial: Trial, dispatchers: Dispatchers) -> None:
    """Of a few orders that are late somebody hears up to one that the seed decides: its sender dies with it."""
    late, before = trial.chance.randint(1, AT_ONCE), len(trial.people.downs)
    dispatchers.let_die_over(trial.chance.randint(1, late))
    trial.forget_to_verify(late)
    trial.tending(lambda: len(trial.people.downs) > before)
    assert dispatchers.unanswered[-1] in (trial.people.downs[-1].in_flight or ())


def killed_at_work(trial: Trial, dispatchers: Dispatchers) -> None:
    """It has begun to tell of a few late orders, and dies within a moment that the seed decides."""
    before = len(trial.people.heard)
    trial.forget_to_verify(trial.chance.randint(1, AT_ONCE))
    trial.tending(lambda: len(trial.people.heard) > before)
    pass_time(trial.chance.uniform(0.0, WINDOW))
    dispatchers.kill()


def killed_as_it_starts(trial: Trial, dispatchers: Dispatchers) -> None:
    """There is something to tell, and it dies before or after it has begun."""
    trial.forget_to_verify(1)
    pass_time(trial.chance.uniform(0.0, START))
    dispatchers.kill()


def test_the_dispatcher_is_killed_before_it_has_an_answer_and_at_random(trial: Trial, dispatchers: Dispatchers) -> None:
    """One after the other, as the seed has it, while a worker reads the feed and finds orders late."""
    deaths = [killed_before_the_answer] * 3 + [killed_at_work] * 2 + [killed_as_it_starts]
    trial.chance.shuffle(deaths)
    trial.hire()
    for die in deaths:
        trial.feed(trial.portion(len(deaths) + 1))
        die(trial, dispatchers)
    trial.settle()
    assert len(trial.people.downs) == len(deaths)
    repeated = {key for key, times in trial.people.times.items() if len(times) > 1}
    assert repeated >= set(dispatchers.unanswered), "nobody could know that these had come"
    prove(trial)
