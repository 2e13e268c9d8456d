"""The first step of a new installation: one person, and a ladder that tells him of everything critical and urgent.

A shipped policy judges but tells nobody, since it cannot know whom. This is the least that makes somebody hear of it; what
a pharmacy wants beyond it stands in its own policy file.
"""

from dataclasses import dataclass

from models.policy import Channel, Policy
from models.policy_text import Parsed, changed

FILE = "first run"
"""What faults of what was typed name as their file."""
LADDER = "urgent"
_AGAIN_AFTER, _REPEAT_AFTER, _TIMES = "5m", "10m", 3


@dataclass(frozen=True, slots=True)
class First:
    """Who is told first. `email` empty: by the inbox alone."""

    key: str
    name: str
    email: str


def needed(policy: Policy) -> bool:
    """Whether a policy tells nobody anything."""
    return not policy.people or not policy.ladders


def with_first(dump: str, policy: Policy, first: First) -> Parsed:
    """The stored policy `dump`, which is `policy`, with this person and a ladder for S1 and S2 by the inbox, and by e-mail
    where that is set up and the person has an address. Raises PolicyFault."""
    known = policy.people.get(first.key)
    address = first.email or (known.email if known else None) or ""
    person = {"name": first.name or first.key} | ({"email": first.email} if first.email else {})
    by = [Channel.INBOX.value] + ([Channel.EMAIL.value] if address and policy.channels.smtp else [])
    steps = [{"after": after, "to": [f"person:{first.key}"], "by": by} for after in ("0s", _AGAIN_AFTER)]
    ladder = {
        "for": {"severity": ["S1", "S2"]},
        "steps": steps,
        "repeat": {"from_step": 1, "times": _TIMES, "after": _REPEAT_AFTER},
    }
    return changed(dump, {"person": {first.key: person}, "ladder": {LADDER: ladder}}, file=FILE)
