"""What `doctor` says of the turnaround times that are kept: since when, which would leave next, and whether house is kept."""

from collections.abc import Iterator
from datetime import timedelta

from models.settings import Settings
from models.store import months
from models.store.months import Kept
from rxpulse.findings import Finding, Level, Log

_HOUSE = "the reports part does it within the hour, then every night; if it does not, its log says why"
_UNKEPT = timedelta(days=2)


def kept_house(settings: Settings, unset: str = "for ever") -> Iterator[Finding]:
    """The months of turnaround times: which would leave, and what lies in none. `unset` says how long they are kept where
    the settings do not. Raises DatabaseAway."""
    found = months.look(settings.required_database_url())
    if found is not None:
        yield from kept(found, settings.keep_facts, unset)


def kept(found: Kept, keep: timedelta | None, unset: str = "for ever") -> Iterator[Finding]:
    """What is kept for how long, in words; `unset` where `keep` is None."""
    since = "the beginning" if found.since is None else f"{found.since:%Y-%m-%d}"
    how_long = unset if keep is None else f"{keep.days} days"
    yield Finding(
        Level.GOOD, f"turnaround times are there from {since} on, in {len(found.months)} months; kept {how_long}"
    )
    if leaving := found.leaving(keep):
        named = ", ".join(one.month.label for one in leaving)
        rows = sum(one.rows for one in leaving)
        yield Finding(Level.GOOD, f"the turnaround times of {named} (about {rows}) leave at the next housekeeping")
    rest, far = sum(found.rest.values()), not found.missing
    if rest and far:
        yield Finding(Level.GOOD, f"{rest} turnaround times of far-off dates lie together, in no month of their own")
    elif rest:
        what = f"{rest} turnaround times lie in no month of their own yet; they count, and pages get slower"
        yield Finding(Level.WARNING, what, _HOUSE, "months.intervals_rest")
    if found.missing and not rest:
        what = f"the month {found.missing[-1].label} has no place yet"
        yield Finding(Level.WARNING, what, _HOUSE, "schema months")
    if found.done is not None and found.now - found.done > _UNKEPT:
        what = f"housekeeping was done last at {found.done:%Y-%m-%dT%H:%MZ}"
        yield Finding(Level.WARNING, what, _HOUSE, Log("reports"))
