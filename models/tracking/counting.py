"""The trials for rates: what an event counts as, and what is taken back when it stands no more."""

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from models import rates
from models.event import Event
from models.policy import Policies
from models.rates import Outcome
from models.tracking.asked import Asking, concerned


def trials(events: Sequence[Event], asking: Asking) -> list[Outcome]:
    """The trials that the events are, of each one for every rate that names its type and judges its site."""
    kinds = concerned(asking.policies).counted
    return [
        rates.trial(event, rate, error=error)
        for event in events
        if event.type in kinds
        for rate, error in asking.at(event).counted.get(event.type, ())
    ]


def recounted(kind: str, old: Sequence[Event], new: Sequence[Event], policies: Policies) -> tuple[Outcome, ...]:
    """The trials of what stands that were not counted yet, and, taken back, those that were and do not stand so. A first
    event that came late may give the case another setting, and so other rates for every event."""
    gone, come = old, new
    if old and new and old[0] is new[0]:
        known, stand = set(map(id, old)), set(map(id, new))
        gone = [event for event in old if id(event) not in stand]
        come = [event for event in new if id(event) not in known]
    counted = _all(kind, new, come, policies)
    if not gone:
        return tuple(counted)
    before, after = Counter(_all(kind, old, gone, policies)), Counter(counted)
    lost = (replace(trial, sign=-1) for trial in (before - after).elements())
    return (*(after - before).elements(), *lost)


def _all(kind: str, standing: Sequence[Event], events: Sequence[Event], policies: Policies) -> list[Outcome]:
    return trials(events, Asking(kind, standing[0], policies)) if standing else []
