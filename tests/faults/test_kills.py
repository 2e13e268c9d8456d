"""The worker is killed: at every gap between two of its steps, while it takes over, and at random.

Seen red when facts were sent before the transaction that writes them, and when positions were written in a transaction of
their own.
"""

import signal

import pytest

from streams.faultpoints import STEPS, TAKING_OVER, VARIABLE, points
from tests.faults.owning import FASTEST, feed_up_to, flowing, unapplied, unsent
from tests.faults.proof import prove
from tests.faults.servers import pass_time
from tests.faults.trial import Trial
from tests.live import PARTITIONS, until

pytestmark = pytest.mark.timeout(600)
PASSINGS = {"poll": (20, 60), "commit": (2, 3)}
"""Between which passings of a step the seed chooses, so that the worker is at work by then; for the other steps see USUAL."""
USUAL = (2, 6)
WRITTEN = ("after transaction", "before produce", "after produce", "before commit", "after commit")
"""Points at which a worker may just have applied all there was, and its facts are not known to be with the broker."""
TRIES = 4
"""Workers at most of which one must have had something to do when it died."""
FLOW = 1.0
"""Seconds within which a share of the feed comes in, or twice as many: offsets are committed once a second."""
START, WINDOW = 3.0, 0.3
"""Seconds within which a worker that starts is killed, and one that has begun to work."""


def killed_at(trial: Trial, point: str, share: int) -> bool:
    """A worker dies at a point, at a passing that the seed decides, while records come in. Whether some were not applied by
    then, or what followed from them was not sent where that comes next."""
    trial.forget_to_verify(1)
    passing = trial.chance.randint(*PASSINGS.get(point.split()[1], USUAL))
    before = trial.position()
    worker = trial.worker(**{VARIABLE: f"{point}:{passing}:KILL"})
    until(lambda: trial.position() > before or not worker.alive(), why=trial.told)
    with flowing(trial, min(share / (2 * FLOW if "commit" in point else FLOW), FASTEST), worker) as flow:
        assert worker.ended() == -signal.SIGKILL
    return unapplied(trial) > flow.late or (point in WRITTEN and unsent(trial) > 0)


def killed_at_work(trial: Trial, share: int) -> bool:
    """A worker that has begun to apply what comes in is killed, within a moment that the seed decides. Whether some was not
    applied by then."""
    found, worker = trial.position(), trial.hire()
    # Whatever came in before, there is something to begin with.
    trial.forget_to_verify(1)
    trial.tending(lambda: trial.position() > found)
    before, sent = sum(trial.ends().values()), len(trial.sent)
    trial.tending(lambda: trial.position() >= before)

    def confirmed() -> int:
        """How many records lie there at least."""
        return before + len(trial.sent) - sent

    with flowing(trial, min(2 * share / FLOW, FASTEST), worker):
        trial.tending(lambda: trial.position() > before)
        pass_time(trial.chance.uniform(0.0, WINDOW))
        until(lambda: trial.position() < confirmed() or not trial.left)
        lay = confirmed()
        worker.kill()
    return trial.position() < lay


def test_killed_before_and_after_every_step(trial: Trial) -> None:
    """A worker that dies at each point in turn, at a passing that the seed decides, and is started again; it was at work each
    time. In the short form: at one side of each step, which the seed decides too."""
    deaths = points(*STEPS) if trial.full else [trial.chance.choice(points(step)) for step in STEPS]
    share = trial.total // (len(deaths) + 1)
    for number, point in enumerate(deaths, 1):
        assert any(killed_at(trial, point, share) for _ in range(TRIES)), f"nothing to do {point}"
        feed_up_to(trial, number * share)
    trial.hire()
    trial.settle()
    prove(trial)


@pytest.mark.slow
def test_killed_while_it_takes_over(trial: Trial) -> None:
    """A worker dies between writing facts and sending them, and the next one while it takes over: before and after it claims,
    and before and after it sends what the other did not. Then comes one that lives."""
    deaths = points(*TAKING_OVER)
    share = trial.total // (len(deaths) + 1)
    for number, point in enumerate(deaths, 1):
        assert any(killed_at(trial, "before produce", share) and unsent(trial) for _ in range(TRIES)), "nothing unsent"
        passing = trial.chance.randint(1, PARTITIONS) if "resend" in point else 1
        assert trial.worker(**{VARIABLE: f"{point}:{passing}:KILL"}).ended() == -signal.SIGKILL
        assert unsent(trial) > 0
        feed_up_to(trial, number * share)
    trial.hire()
    trial.settle()
    prove(trial)


def test_killed_at_random(trial: Trial) -> None:
    """kill -9 whenever it comes: now and then while the worker starts, else while it is at work."""
    kills = 20 if trial.full else 4
    starting = trial.chance.sample(range(1, kills + 1), kills // 4)
    share = trial.total // (kills + 1)
    at_work = 0
    for number in range(1, kills + 1):
        if number in starting:
            trial.forget_to_verify(1)
            worker = trial.hire()
            pass_time(trial.chance.uniform(0.0, START))
            worker.kill()
        else:
            at_work += killed_at_work(trial, share)
        feed_up_to(trial, number * share)
    assert at_work >= kills / 2, f"{at_work} of {kills} kills hit a worker with something to do"
    trial.hire()
    trial.settle()
    prove(trial)
