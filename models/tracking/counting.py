"""The trials for rates: what an event counts as, and what is taken back when it stands no more."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from models import rates
from models.event import Event
from models.policy import Policies
from models.rates import Outcome
from models.tracking.asked import Entries, asked


def trials(event: Event, entries: Entries) -> tuple[Outcome, ...]:
    """The trials that an event is, one for each rate that names its type and judges its site."""
    counted = entries.counted.get(event.type)
    return () if counted is None else tuple([rates.trial(event, rate, error=error) for rate, error in counted])


def recounted(kind: str, old: Sequence[Event], new: Sequence[Event], policies: Policies) -> tuple[Outcome, ...]:
    """The trials of what stands that were not counted yet, and, taken back, those that were and do not stand so. A first
    event that came late may give the case another setting, and so other rates for every event."""
    if not old or not new or old[0] is not new[0]:
        before, after = _all(kind, old, old, policies), _all(kind, new, new, policies)
    else:
        known, stand = set(map(id, old)), set(map(id, new))
        before = _all(kind, old, [event for event in old if id(event) not in stand], policies)
        after = _all(kind, new, [event for event in new if id(event) not in known], policies)
    lost = (replace(trial, sign=-1) for trial in (before - after).elements())
    return (*(after - before).elements(), *lost)


def _all(kind: str, standing: Sequence[Event], events: Sequence[Event], policies: Policies) -> Counter[Outcome]:
    found = (trials(event, asked(kind, standing[0], event, policies)) for event in events)
    return Counter(trial for of_one in found for trial in of_one)
