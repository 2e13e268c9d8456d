"""What is written down about telling people, one line for each thing that happened.

An escalation is opened once and never changed. What happens to it afterwards, a page told, an answer of a mail server, a
person who takes it on, is added to its history as an entry and never taken back, so that anybody can read later who
knew what, and when.

Times are aware datetimes in UTC. Entries stand in the order in which they happened.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from models.event import CaseId, Site
from models.policy import Channel, Kind, Ladder, Severity
from models.signals import SignalId, digest

EscalationId = NewType("EscalationId", str)


class Message(StrEnum):
    """What a delivery says: `rx.escalation.` and this is the type of the webhook."""

    PAGE = "page"
    REMIND = "remind"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Why(StrEnum):
    """Why a page comes. The first page of a loop says what began the loop, the others `step` or `nobody`."""

    OPENED = "opened"
    STEP = "step"
    REPEAT = "repeat"
    EXPIRED = "expired"
    RELEASED = "released"
    WORSE = "worse"
    NOBODY = "nobody"
    PASSED_ON = "passed_on"


class Outcome(StrEnum):
    """How a delivery ended; `sent` means that it was accepted."""

    SENT = "sent"
    REFUSED = "refused"
    GAVE_UP = "gave_up"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """`signal`, `kind` and `case` are None for a summary, `site` for one page about several sites. `severity` and `ladder`
    are those at the opening; a running escalation keeps its ladder, so it is held here and not looked up again."""

    id: EscalationId
    signal: SignalId | None
    kind: Kind | None
    name: str
    severity: Severity
    site: Site | None
    setting: str
    case: CaseId | None
    opened: datetime
    ladder: Ladder


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one person by one channel. Equal keys are the same message, however often it is tried."""

    key: str
    person: str
    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A message went to its deliveries; those of a page are in order of `to` and `by`. A page without deliveries found
    nobody there. `why` is None for what is no page; `number` is that of the acknowledgement for `remind` and
    `acknowledged`, else 0. Of what is no page, `loop` and `step` are the current loop and the last step told."""

    at: datetime
    message: Message
    loop: int
    step: int
    deliveries: tuple[Delivery, ...]
    why: Why | None = None
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A delivery ended."""

    at: datetime
    key: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Somebody said: I have it. Whether that takes it on, renews it or changes nothing follows from what stood before."""

    at: datetime
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The acknowledgement ran out."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The acknowledgement was given back by `person`. Without one it changes nothing."""

    at: datetime
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOn:
    """`person` sent it on, to `to` if one is named, else to the next step's targets."""

    at: datetime
    person: str
    to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rose:
    """The severity rose, and the rise is told. `ladder` is the one that then matches; None: none, the one that runs stays."""

    at: datetime
    severity: Severity
    ladder: Ladder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """Nobody acknowledged, and nothing is left to tell."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The end: its signal cleared (`person` None), or somebody ended the telling by hand."""

    at: datetime
    person: str | None = None


Entry = Told | Settled | Acknowledged | Expired | Released | PassedOn | Rose | Exhausted | Resolved
History = tuple[Entry, ...]


def escalation_id(*about: str) -> EscalationId:
    """The id of the escalation about these words (a signal's id and the revision that raised it, a summary's ladder and
    instant): equal words, equal id, so opening it twice changes nothing. 32 hexadecimal digits."""
    return EscalationId(digest("escalation", *about))


def delivery_key(
    escalation: EscalationId, message: Message, loop: int, step: int, person: str, channel: Channel, number: int = 0
) -> str:
    """The key of a delivery (semantics 24, Keys), 32 hexadecimal digits: equal on every attempt and in every process, and
    never that of another message. `number` is that of the acknowledgement for `remind` and `acknowledged`, else 0."""
    about = (escalation, message, str(loop), str(step), person, channel)
    return digest(*about, str(number)) if number else digest(*about)
