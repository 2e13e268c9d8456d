"""What a sender brought, judged before anything of it is taken: all of it is in order, or the reasons why not.

One event or a batch comes as JSON. Every item is checked as the worker would check it; what the worker would put aside
hours later is said at once, to the one who can mend it, with the number of the item. No content is repeated in a reason,
for it may name a person.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, cast

from models.event import Event
from models.event_types import CATALOGUE
from models.policy import Policy
from models.wire import MAX_RECORD, Decoded, Rejected, early, encode, from_object
from streams.intake.pseudonym import pseudonymised

TOO_LARGE = "too large"
_SHOWN_ID = 256


class Unreadable(Exception):
    """The body is no JSON that could hold events; the text says why, without its content."""


class Unconfirmed(Exception):
    """The broker confirmed only `confirmed` of `wanted` events."""

    def __init__(self, confirmed: int, wanted: int, why: str) -> None:
        super().__init__(f"{confirmed} of {wanted} events are confirmed: {why}")
        self.confirmed, self.wanted = confirmed, wanted


@dataclass(frozen=True, slots=True)
class Refused:
    """One item that cannot be taken. `index` counts from 0; `id` is None where the item has none that could be shown;
    `reason` is from a closed list, `detail` says what to mend."""

    index: int
    id: str | None
    reason: str
    detail: str


class Cleaned(NamedTuple):
    """A record for the topic; `dropped` counts the fields outside the closed list that it lost here."""

    subject: str
    value: bytes
    dropped: int


@dataclass(slots=True)
class Examined:
    """`records` are for the topic, made of `events`. Nothing may be taken unless `refused` is empty.
    `dropped` counts fields outside the closed list, by source; `unknown` counts events of an unknown `site` or
    `type`."""

    events: list[Event] = field(default_factory=list[Event])
    refused: list[Refused] = field(default_factory=list[Refused])
    records: list[Cleaned] = field(default_factory=list[Cleaned])
    dropped: Counter[str] = field(default_factory=Counter[str])
    unknown: Counter[str] = field(default_factory=Counter[str])


class _Twice:
    """Stands where an object named a key twice."""


def read(body: bytes, *, batch: bool) -> list[object]:
    """The items of a body. Raises Unreadable."""
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant)
    except UnicodeDecodeError as fault:
        raise Unreadable(f"the body is not UTF-8 (byte {fault.start})") from fault
    except RecursionError as fault:
        raise Unreadable("the body is nested too deeply") from fault
    except json.JSONDecodeError as fault:
        raise Unreadable(
            f"the body is no JSON: it cannot be read on at line {fault.lineno}, column {fault.colno}; mend it there"
        ) from fault
    except ValueError as fault:
        # A number of thousands of digits, or NaN and its like, which JSON does not have.
        raise Unreadable("the body is no JSON: a number in it is none, or far too long") from fault
    if batch and not isinstance(found, list):
        raise Unreadable("a batch is a list of events: send [...], or one event as application/cloudevents+json")
    return cast("list[object]", found) if batch else [found]


def examine(items: Iterable[object], received: datetime, policy: Policy, key: str) -> Examined:
    """Judges every item. `received` (UTC) becomes the `recorded` of an event that says none; `key` makes the pseudonyms
    of feeds for which the policy asks for them."""
    found = Examined()
    for index, item in enumerate(items):
        try:
            judged = _judge(item, received, policy)
        except RecursionError:
            judged = Rejected("nested", "the item is nested too deeply")
        if isinstance(judged, Rejected):
            found.refused.append(Refused(index, _id_of(item), judged.reason, judged.detail))
            continue
        event = judged.event
        feed = policy.feeds.get(event.source)
        if feed is not None and feed.pseudonymise:
            event = pseudonymised(event, key)
        found.events.append(event)
        found.records.append(Cleaned(event.subject, encode(event), judged.dropped))
        found.dropped[event.source] += judged.dropped
        found.unknown["site"] += event.site not in policy.sites
        found.unknown["type"] += event.type not in CATALOGUE
    return found


def forbidden(events: Sequence[Event], allowed: Callable[[Event], bool]) -> list[Refused]:
    """The events that this sender may not send."""
    detail = "the token is not bound to this source and site: see `rxpulse token add`"
    return [Refused(i, one.id, "not yours", detail) for i, one in enumerate(events) if not allowed(one)]


def _judge(item: object, received: datetime, policy: Policy) -> Decoded | Rejected:
    if _has_twice(item):
        return Rejected("key twice", "an object names a key twice: two readings would be possible")
    if not isinstance(item, dict):
        return Rejected("not an object", "the item is no object: send CloudEvents")
    found = cast("dict[str, Any]", item)
    decoded = from_object(found, received)
    if isinstance(decoded, Rejected):
        return decoded
    return _refused(decoded.event, received, policy) or _fits(found, decoded)


def _refused(event: Event, received: datetime, policy: Policy) -> Rejected | None:
    if (too_early := early(event, received)) is not None:
        return too_early
    if policy.strict_sites and event.site not in policy.sites:
        return Rejected("unknown site", "data.site is none of the policy's, and it has strict_sites = true")
    return None


def _fits(item: Mapping[str, Any], decoded: Decoded) -> Decoded | Rejected:
    try:
        size = max(
            len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()), len(encode(decoded.event))
        )
    except UnicodeEncodeError:
        return Rejected("bad text", "a text holds half a character")
    if size > MAX_RECORD:
        return Rejected(TOO_LARGE, f"the event has {size} bytes; at most {MAX_RECORD} are taken")
    return decoded


def _object(pairs: list[tuple[str, object]]) -> object:
    made = dict(pairs)
    return made if len(made) == len(pairs) else _Twice()


def _has_twice(value: object) -> bool:
    match value:
        case _Twice():
            return True
        case dict():
            return any(map(_has_twice, cast("dict[str, object]", value).values()))
        case list():
            return any(map(_has_twice, cast("list[object]", value)))
        case _:
            return False


def _no_constant(_: str) -> object:
    raise ValueError


def _id_of(item: object) -> str | None:
    name = cast("dict[str, object]", item).get("id") if isinstance(item, dict) else None
    return name if isinstance(name, str) and len(name) <= _SHOWN_ID and name.isascii() else None
