"""Keyed pseudonyms: the same number of a person or order gives the same code under one key, and nobody without the key can
tell which number it was. Losing the key means that new events no longer join old cases.

The code is HMAC-SHA256 (RFC 2104), cut: 96 bits for a case, 64 for a person.
"""

import hmac
from hashlib import sha256

from models.event import CaseId
from models.event_types import KINDS

ACTOR_DIGITS = 16


def pseudonym(key: str, kind: str, number: str, length: int = 24) -> str:
    """`length` hexadecimal digits of HMAC-SHA256 over the kind and the number; kinds never collide."""
    return hmac.new(key.encode(), f"{kind}\x1f{number}".encode(), sha256).hexdigest()[:length]


def actor(key: str, number: str) -> str:
    """The pseudonym of somebody who works in the pharmacy."""
    return "a_" + pseudonym(key, "actor", number, ACTOR_DIGITS)


def case_of(key: str, kind: str, number: str) -> CaseId:
    """The case of one's own number."""
    return CaseId(f"{kind}/{pseudonym(key, kind, number)}")


def cases_of(key: str | None, number: str) -> list[CaseId]:
    """Every case that one's own number may stand for, of whatever kind: under its pseudonym and, for feeds that send their
    own, as it stands. Without a key only the latter."""
    as_sent = [CaseId(number)] if number.partition("/")[0] in KINDS else [CaseId(f"{kind}/{number}") for kind in KINDS]
    return ([case_of(key, kind, number) for kind in KINDS] if key else []) + as_sent
