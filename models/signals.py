"""A signal: something that a person may have to know.

A clock was breached or is about to be, a rule was broken, a rate shifted, a feed fell silent. A signal is raised once and
cleared once; its id is made from what it is about, so telling the same story again never doubles it, and a rise of
severity goes on under the same id.
"""

from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import NewType

from msgspec import Struct

from models.event import CaseId, Site
from models.policy import Kind, Severity

SignalId = NewType("SignalId", str)


class Cleared(StrEnum):
    """Why a signal is no longer open."""

    STOP = "stop"
    END = "end"
    DISPROOF = "disproof"
    POLICY = "policy"
    PERSON = "person"
    SCORE = "score"
    SPOKE = "spoke"


class Signal(Struct, frozen=True, gc=False, kw_only=True):
    """`raised` is the instant from which it is true at this severity; `known` the later of that and the instant at which
    its last evidence became known; `cleared` and `reason` are None while it is open. `case` is None for rates and feeds.
    `revision` counts the rows of one id from 1."""

    id: SignalId
    kind: Kind
    name: str
    severity: Severity
    site: Site
    case: CaseId | None
    raised: datetime
    known: datetime
    cleared: datetime | None = None
    reason: Cleared | None = None
    revision: int = 1

    @property
    def open(self) -> bool:
        return self.cleared is None


def signal_id(kind: Kind, *about: str) -> SignalId:
    """The id of the signal about these words: equal words, equal id."""
    return SignalId(digest(kind, *about))


def digest(*words: str) -> str:
    """32 hexadecimal digits from words, told apart wherever they are cut."""
    return blake2b("\x1f".join(words).encode(), digest_size=16).hexdigest()
