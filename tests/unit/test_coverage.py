"""A ladder that reaches nobody for some time is said before that time comes."""

from datetime import UTC, datetime

import pytest

from models.policy_text import parse
from models.policy_text.coverage import uncovered

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
POLICY = """
[person.ana]
name = "Ana"
[roster.lead]
rotation = ["ana"]
timezone = "America/New_York"
from = "{begins}"
{more}
[ladder.all]
steps = [{{ after = "0s", to = ["roster:lead"{also}], by = ["inbox"] }}]
"""
OVER = 'overrides = [{ from = "2026-11-25T00:00", to = "2026-11-28T07:00", who = "ana" }]'


@pytest.mark.parametrize(
    ("begins", "more", "also", "said"),
    [
        ("2026-11-20", "", "", None),
        ("2026-11-30", "", ', "person:ana"', None),
        ("2026-11-30", "", "", "from 2026-11-25 07:00 EST to 2026-11-30 00:00 EST"),
        ("2026-11-30", OVER, "", "from 2026-11-28 07:00 EST to 2026-11-30 00:00 EST"),
        ("2027-01-01", "", "", "from 2026-11-25 07:00 EST to 2026-12-02 07:00 EST"),
    ],
)
def test_a_time_with_nobody_on_duty_is_said(begins: str, more: str, also: str, said: str | None) -> None:
    policy = parse(POLICY.format(begins=begins, more=more, also=also), file="test")
    found = list(uncovered(policy, NOW))
    assert len(found) == (said is not None)
    assert all(said in text and place == ("ladder", "all") for place, text in found if said)
