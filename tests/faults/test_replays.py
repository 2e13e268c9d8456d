"""Everything comes again: into a store that has it, and into one that forgot it. And the policy changes in mid-flow.

Seen red when the reset remembered no word of what was told, when revisions began again at 1 for readers, when nothing was
taken back that stood open and did not come again, when what had been put aside was put aside again, and when
either the worker at work or the one that takes over did not ask what a new version means for late work.
"""

import signal
from datetime import datetime, timedelta

import pytest

from models import policy_text
from models.event import CaseId, Event
from models.policy import BEGINNING, Policies, Policy
from models.store.policies import append
from models.wire import encode
from tests.faults.feeding import Sent
from tests.faults.people import POLICY
from tests.faults.proof import prove
from tests.faults.trial import FIRST, Trial
from tests.heart import event

pytestmark = pytest.mark.timeout(600)
FACTS = "SELECT (SELECT count(*) FROM intervals), (SELECT count(*) FROM signal_changes WHERE partition >= 0)"
TOLD = "SELECT id, told FROM signals WHERE id = ANY(%s) ORDER BY id"


@pytest.mark.slow
def test_everything_is_sent_again(trial: Trial) -> None:
    """A sender replays its whole feed into the full store: no fact more, no fact less."""
    everything = list(trial.left)
    trial.hire()
    trial.forget_to_verify(2)
    trial.settle()
    held = trial.rows(FACTS)
    trial.give(everything)
    trial.hire()
    trial.settle()
    assert trial.rows(FACTS) == held
    prove(trial)


@pytest.mark.slow
def test_the_facts_are_made_again_from_the_topic(trial: Trial) -> None:
    """`rxpulse reset --facts` in mid-flow: the same facts, the same dead letters, and nobody is told again. Readers of the
    public topics come to the same, whatever they knew."""
    # Who is at work meanwhile loses its connection.
    trial.may_end = (1,)
    worker = trial.hire()
    trial.forget_to_verify(2)
    trial.feed(trial.portion(2))
    trial.progress(trial.portion(4))
    worker.process.send_signal(signal.SIGSTOP)
    trial.feed(trial.portion(4))
    assert not trial.applied()
    worker.process.send_signal(signal.SIGCONT)
    trial.reset()
    trial.settle()
    late = sorted(trial.late_signals())
    marks = trial.rows(TOLD, late)
    trial.reset()
    trial.hire()
    trial.settle()
    assert trial.rows(TOLD, late) == marks == [(name, "yes") for name in late]
    prove(trial)


SECOND = """
[clock.order-to-verified]
target = "2s"
[clock.dose-within-window]
enabled = false
[rule.sold-before-final-check]
enabled = false
"""
TAKES = timedelta(seconds=4)
IN_TARGET = "SELECT in_target FROM intervals WHERE case_id = %s AND clock = 'order-to-verified'"
THIRD = """
[clock.will-call]
enabled = false
"""


def changed(trial: Trial, text: str) -> tuple[Policy, datetime]:
    """The policy changes in four seconds; `text` is added to it."""
    parsed = policy_text.read(POLICY + text, file="changed")
    since: datetime = trial.one("SELECT date_trunc('second', now() + interval '4 s')")
    append(trial.database, parsed, since, "a test")
    return parsed.policy, since


def verified(trial: Trial, number: int, entered: datetime) -> CaseId:
    """A routine order, verified four seconds after it was entered."""
    case = CaseId(f"order/routine-{number}")
    for name, at in (("order.entered", entered), ("order.verified", entered + TAKES)):
        said = event(name, 0, key=f"{name}-{number}", case=case, priority="routine", setting="inpatient")
        one = Event(said.id, said.source, said.type, at, at, case, said.data)
        trial.give([Sent(case.encode(), encode(one), one)])
    return case


def test_the_policy_changes_in_mid_flow(trial: Trial) -> None:
    """What was late under an entry that goes is over from that instant on: of one change nobody hears before a worker takes
    over, another one comes while it works."""
    trial.hire()
    trial.forget_to_verify(2)
    trial.feed(trial.portion(2))
    trial.progress(trial.portion(4))
    trial.kill()
    second, since = changed(trial, SECOND)
    trial.feed(trial.portion(4))
    trial.tending(trial.applied)
    third, then = changed(trial, SECOND + THIRD)
    trial.tending(lambda: trial.one("SELECT now() > %s", then + TAKES))
    trial.forget_to_verify(1)
    orders = [verified(trial, number, entered) for number, entered in enumerate((since - TAKES, since, then))]
    trial.settle()
    assert [trial.one(IN_TARGET, order) for order in orders] == [True, False, False], "each by the version of its day"
    for change in (since, then):
        assert trial.one("SELECT count(*) FROM signals WHERE reason = 'policy' AND cleared = %s", change) > 0
    if trial.full:
        # Facts are made again when somebody asks for it, and each is judged by the version of its day once more.
        trial.reset()
        trial.hire()
        trial.settle()
        assert [trial.one(IN_TARGET, order) for order in orders] == [True, False, False]
    prove(trial, Policies((BEGINNING, since, then), (FIRST.policy, second, third)))
