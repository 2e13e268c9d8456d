"""A clock's target as people are told of it: in words, and as the share of the work that met it.

Some work is to be done at once, such as turning off an alarm: its target is nought. Whatever is done takes some time, so
no share of it is ever "in target"; wherever people read a share, that of such a clock is left out instead of being 0.
"""

from datetime import timedelta

from metrics.wording import length_words
from models.policy import BusinessDays, ByField, Clock, Within

AT_ONCE = timedelta(seconds=1)
"""A target up to this is said as "at once"."""


def share_shown(clock: Clock | None, share: float | None) -> float | None:
    """The share in target (0 to 1, None without work or without a due) as it is told: None for a clock whose target is "at
    once". `clock` is None where the policy does not name it."""
    return None if clock is not None and _at_once(clock) else share


def target_words(clock: Clock | None) -> str:
    """The target of a clock in words; empty where it has none or the policy does not name it."""
    match clock.target if clock else None:
        case Within(length) if length <= AT_ONCE:
            return "at once"
        case Within(length):
            return f"within {length_words(length / timedelta(minutes=1))}" + (
                " open time" if clock and clock.open_hours else ""
            )
        case BusinessDays(days):
            return f"within {days} business day{'s' if days > 1 else ''}"
        case ByField(name, plus):
            later = f" plus {length_words(plus / timedelta(minutes=1))}" if plus else ""
            return f"by the time {name.replace('_', ' ')}{later}"
        case None:
            return ""


def _at_once(clock: Clock) -> bool:
    return isinstance(clock.target, Within) and clock.target.length <= AT_ONCE
