"""Lengths of time as a policy writes them (`90s 15m 4h 2d`, or `1bd` for business days), and as a sentence says them."""

import re
from datetime import timedelta

from models.policy import BusinessDays

DURATION = r"^[0-9]{1,7}(s|m|h|d)$"
SPAN = r"^([0-9]{1,7}(s|m|h|d)|[1-9][0-9]{0,2}bd)$"
LONGEST = timedelta(days=3660)
"""Ten years: a longer length is a slip of the pen, and later arithmetic stays within the years 1900 to 2299."""

_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def duration(text: str) -> timedelta:
    """`90s`, `15m`, `4h` or `2d` (48 hours). Raises ValueError for anything else and beyond `LONGEST`."""
    if not re.fullmatch(DURATION, text):
        raise ValueError(f'"{text}" is not a duration; write for instance "15m"')
    length = int(text[:-1]) * _UNITS[text[-1]]
    if length > LONGEST:
        raise ValueError(f'"{text}" is longer than ten years; write a shorter duration')
    return length


def span(text: str) -> timedelta | BusinessDays:
    """A duration, or business days of the site. Raises ValueError as `duration` does."""
    if text.endswith("bd") and re.fullmatch(SPAN, text):
        return BusinessDays(int(text[:-2]))
    return duration(text)


def said(length: timedelta) -> str:
    """A length in the largest unit that says it in whole numbers: `2 hours`, `90 seconds`, `1 day`."""
    seconds = int(length.total_seconds())
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds and seconds % unit == 0:
            return counted(seconds // unit, name)
    return counted(seconds, "second")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
