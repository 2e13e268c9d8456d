"""What is learned of the demo's own feeds over nine weeks in which nothing falls silent: how often it would cry wolf."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise, takewhile
from pathlib import Path

import pytest

from models import policy_text
from models.event import Site, Source
from models.feeds import LEAST, learned, silent_since
from models.policy import Policy
from streams.demonstration import HISTORY, SEED
from streams.simulate import demo_sites, simulate

pytestmark = pytest.mark.slow
START = datetime(2026, 9, 26, tzinfo=UTC)
JUDGED = HISTORY - timedelta(weeks=1)
MONTH = timedelta(days=30)
Feed = tuple[Source, Site]


@lru_cache(maxsize=1)
def told() -> dict[Feed, list[datetime]]:
    """The minutes in which each feed of the hospital and of the first store said something."""
    minutes = dict[Feed, dict[datetime, None]]()
    events = simulate(demo_sites()[:2], START, SEED)
    for event in takewhile(lambda event: event.recorded < START + HISTORY, events):
        spoke = minutes.setdefault((event.source, Site(event.data["site"])), {})
        spoke[event.recorded.replace(second=0, microsecond=0)] = None
    return {feed: sorted(spoke) for feed, spoke in minutes.items()}


def demo_policy() -> Policy:
    return policy_text.read(Path(str(files("models.defaults"))) / "demo.toml").policy


def test_feeds_that_are_well_are_called_silent_less_than_once_a_month_and_site() -> None:
    """All but the tills, whose thousand gaps take longer to judge than everything else: `docs/decisions/0008` has theirs."""
    policy, false = demo_policy(), Counter[Site]()
    for (source, site), minutes in told().items():
        if source == "/elm/pos":
            continue
        working = policy.site(site).working
        for at, (last, following) in enumerate(pairwise(minutes)):
            # No shorter gap is ever a silence.
            if following - last > LEAST and (allowed := learned(minutes[: at + 1], last, working)) is not None:
                raised = silent_since(last, allowed, working)
                false[site] += raised is not None and raised < following
    assert {site for _, site in told()} == {"mercy", "elm"}
    assert all(false[Site(site)] * MONTH < JUDGED for site in ("mercy", "elm")), false


def test_a_main_system_that_dies_by_day_is_noticed_within_half_an_hour() -> None:
    policy = demo_policy()
    for source, site in (("/mercy/pis", "mercy"), ("/mercy/emar", "mercy"), ("/elm/pms", "elm")):
        minutes = [one for one in told()[Source(source), Site(site)] if one <= START + HISTORY - timedelta(hours=8)]
        allowed = learned(minutes, minutes[-1], policy.site(Site(site)).working)
        assert allowed is not None and allowed <= timedelta(minutes=30), (source, allowed)
