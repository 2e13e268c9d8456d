"""Instants as the clock on a wall shows them: a site's own, that of all sites where they agree, else UTC, and it says so."""

from datetime import UTC, datetime

import pytest

from console.showing import Words
from models.policy import Policy
from models.policy_text import parse
from models.store.rights import SEVERAL

AT = datetime(2026, 7, 3, 2, 30, 5, tzinfo=UTC)
SITE = '[site.{0}]\nsetting = "inpatient"\ntimezone = "America/{1}"\n'
NEAR = parse(SITE.format("mercy", "New_York") + SITE.format("elm", "New_York"), file="test")
FAR = parse(SITE.format("mercy", "New_York") + SITE.format("elm", "Chicago"), file="test")


@pytest.mark.parametrize(
    ("policy", "site", "moment", "wall"),
    [
        (NEAR, "mercy", "2 Jul 22:30:05", "22:30 EDT"),
        (NEAR, SEVERAL, "2 Jul 22:30:05", "22:30 EDT"),
        (FAR, "elm", "2 Jul 21:30:05", "21:30 CDT"),
        (FAR, SEVERAL, "3 Jul 02:30:05 UTC", "02:30 UTC"),
        (NEAR, "unknown", "3 Jul 02:30:05 UTC", "02:30 UTC"),
        (None, "mercy", "3 Jul 02:30:05 UTC", "02:30 UTC"),
    ],
)
def test_an_instant_is_said_in_the_time_of_where_it_is_about(
    policy: Policy | None, site: str, moment: str, wall: str
) -> None:
    words = Words(policy)
    assert (words.moment(AT, site), words.wall(AT, site)) == (moment, wall)
    assert words.clock_time(AT, site) == wall.removesuffix(" EDT").removesuffix(" CDT")
    assert words.minute(AT, site) == moment.replace(":05", "")


@pytest.mark.parametrize(
    ("policy", "said"),
    [(NEAR, "2 Jul 2026 22:30:05 EDT"), (FAR, "3 Jul 2026 02:30:05 UTC"), (None, "3 Jul 2026 02:30:05 UTC")],
)
def test_what_is_about_no_site_is_said_in_the_time_that_all_share(policy: Policy | None, said: str) -> None:
    assert Words(policy).second(AT) == said
