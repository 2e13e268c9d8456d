"""What is kept of a password: a salted hash that is dear to make, so that whoever has the database cannot guess.

Argon2id (RFC 9106) at the cost that the OWASP Password Storage Cheat Sheet asks for. Each hash carries its salt and its
parameters, so a dearer choice later finds out by itself which hashes are to be made anew. Hashes of an earlier release,
by scrypt, are still checked, and are made anew when their owner signs in.
"""

import hmac
import unicodedata
from dataclasses import dataclass
from functools import cache
from hashlib import scrypt

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

ARGON2 = "argon2id"
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""Memory in KiB: 19 MiB a try."""
_SCRYPT_MEMORY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a password. `way` ARGON2: `made` is the whole hash as text, with its salt and parameters, and `salt`
    is empty; else `way` is n:r:p of scrypt."""

    salt: bytes
    made: bytes
    way: str


def keep(password: str) -> Kept:
    """What to keep of a password."""
    return Kept(b"", _HASHER.hash(_plain(password)).encode(), ARGON2)


def fits(kept: Kept, password: str) -> bool:
    """Whether this is the password. Raises ValueError for a hash that is none."""
    if kept.way != ARGON2:
        n, r, p = map(int, kept.way.split(":"))
        again = scrypt(_plain(password), salt=kept.salt, n=n, r=r, p=p, maxmem=_SCRYPT_MEMORY, dklen=32)
        return hmac.compare_digest(again, kept.made)
    try:
        return _HASHER.verify(kept.made, _plain(password))
    except VerifyMismatchError:
        return False


def outdated(kept: Kept) -> bool:
    """Whether a password is kept otherwise than it would be now."""
    return kept.way != ARGON2 or _HASHER.check_needs_rehash(kept.made)


@cache
def nobody() -> Kept:
    """What is kept for a name that is none: to look at it takes as long as at anybody's."""
    return keep("")


def _plain(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode()
