"""Everything comes again: into a store that has it, and into one that forgot it. And the policy changes in mid-flow."""

from datetime import datetime

import pytest

from models import policy_text
from models.policy import BEGINNING, Policies
from models.store.policies import append
from tests.faults.people import POLICY
from tests.faults.proof import (
    aside_differs,
    foretold,
    prove,
    recomputed,
    right,
    store_differs,
    telling_differs,
)
from tests.faults.trial import FIRST, Trial

pytestmark = pytest.mark.timeout(600)
FACTS = "SELECT (SELECT count(*) FROM intervals), (SELECT count(*) FROM signal_changes WHERE partition >= 0)"


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
    """`rxpulse reset --facts` in mid-flow: the same facts, the same dead letters, and nobody is told again."""
    trial.hire()
    trial.forget_to_verify(2)
    trial.feed(trial.total // 2)
    trial.progress(trial.total // 4)
    trial.reset()
    trial.settle()
    trial.reset()
    trial.hire()
    trial.settle()
    recomputed(trial)
    told = foretold(trial, trial.sent)
    right(
        *store_differs(trial, told),
        *aside_differs(trial),
        *telling_differs(trial),
    )


SECOND = """
[clock.order-to-verified]
target = "20m"
[clock.dose-within-window]
enabled = false
[rule.sold-before-final-check]
enabled = false
"""


def test_the_policy_changes_in_mid_flow(trial: Trial) -> None:
    """What was late under an entry that goes is over from that instant on, whoever reads of it, also after a kill."""
    second = policy_text.read(POLICY + SECOND, file="second")
    trial.hire()
    trial.forget_to_verify(2)
    trial.feed(trial.total // 2)
    trial.progress(trial.total // 4)
    change: datetime = trial.one("SELECT date_trunc('second', now() + interval '4 s')")
    append(trial.database, second, change, "a test")
    trial.feed(trial.total // 4)
    trial.crew["w0"].kill()
    trial.tending(lambda: trial.one("SELECT now() > %s", change))
    trial.forget_to_verify(1)
    trial.settle()
    assert trial.one("SELECT count(*) FROM signals WHERE reason = 'policy'") > 0
    prove(trial, Policies((BEGINNING, change), (FIRST.policy, second.policy)))
