"""`rxpulse ack` says until when in the time of the site, to the second."""

from datetime import UTC, datetime

import pytest

from models.event import Site
from models.policy_text import parse
from models.store.answering import Standing
from rxpulse.commands.ack import document, for_people

POLICY = parse('[site.mercy]\nsetting = "inpatient"\ntimezone = "America/New_York"\n', file="test")
AT = datetime(2026, 11, 28, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.mark.parametrize(
    ("site", "expires", "said"),
    [
        (Site("mercy"), AT, "ana has it until 2026-11-27 22:04:05 EST"),
        (None, AT, "ana has it until 2026-11-28 03:04:05 UTC"),
        (Site("mercy"), None, "ana has it for good"),
    ],
)
def test_people_read_the_time_of_the_site(site: Site | None, expires: datetime | None, said: str) -> None:
    assert for_people(Standing("e1", "acknowledged", "ana", expires, "ana", site), POLICY) == said


def test_programs_read_the_instant_whole() -> None:
    found = document(Standing("e1", "acknowledged", "ana", AT, "ana", Site("mercy")))
    assert found["expires"] == "2026-11-28T03:04:05.678901Z"
