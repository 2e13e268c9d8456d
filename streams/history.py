"""The events that the topic holds, each once: what was refused, lies where it does not belong, or only repeats another is
left out."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b

from models.case import Evidence, admit
from models.event import Event
from models.policy import Policies
from models.settings import Settings
from models.wire import Rejected
from streams.admission import Record, examine, home, misplaced
from streams.feed import Extent, extent, partitions, ranged, reader, record_of
from streams.topics import EVENTS

Counted = Callable[[Iterable[Record]], Iterable[Record]]
"""Passes records on, and shows how far the reading is."""


def events(settings: Settings, policies: Policies, counted: Counted, *, every_record: bool) -> Iterator[Event]:
    """The events of the topic as it stands now, partition by partition. Of several records of one identity the one that
    stands (`semantics.md` 3) comes, at the end of its partition; with `every_record` all of them come, in their order.
    Raises CallerFault where the broker or the topic is not there."""
    with reader(settings) as consumer:
        numbers = partitions(consumer, EVENTS)
        for number in numbers:
            wanted = extent(consumer, EVENTS, number)

            def told(number: int = number, wanted: Extent = wanted) -> Iterator[Event]:
                records = counted(record_of(m) for m in ranged(consumer, EVENTS, number, wanted))
                return _accepted(records, len(numbers), policies)

            yield from told() if every_record else _once(told)


def _accepted(records: Iterable[Record], count: int, policies: Policies) -> Iterator[Event]:
    for record in records:
        found = examine(record, policies)
        if isinstance(found, Rejected):
            continue
        case = found.event.subject
        if not misplaced(record, case, home(case, count)):
            yield found.event


def _once(told: Callable[[], Iterator[Event]]) -> Iterator[Event]:
    """Reads twice: first to learn which identities come more than once, for only those have to be kept in mind."""
    seen: set[bytes] = set()
    repeated: set[bytes] = set()
    for event in told():
        name = _identity(event)
        (repeated if name in seen else seen).add(name)
    rivals: dict[bytes, Evidence] = {}
    for event in told():
        name = _identity(event)
        if name not in repeated:
            yield event
        else:
            rivals[name], _ = admit(rivals.get(name, Evidence()), event)
    for evidence in rivals.values():
        yield from evidence.events


def _identity(event: Event) -> bytes:
    return blake2b("\x1f".join((event.subject, event.source, event.id)).encode(), digest_size=16).digest()
