"""Who is on duty: people who take turns, and the exceptions that they agree on.

A roster hands over at a fixed time of the wall clock, every day or every week, to the next person in its rotation, and
after the last comes the first again. An override puts one person on duty for a while; the rotation goes on beneath it,
so nobody's turn moves. Before the roster's first turn nobody is on duty except by override.

Every instant is an aware datetime, given back in UTC. A turn is half-open: it holds its first instant and not its last.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from models.hours import Span, local_instant, merge, subtract
from models.policy import Roster


class Reason(StrEnum):
    """Why somebody is on duty."""

    ROTATION = "rotation"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class Duty:
    person: str
    why: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """[begins, finishes), both UTC."""

    begins: datetime
    finishes: datetime
    person: str
    why: Reason


def on_duty(roster: Roster, instant: datetime) -> Duty | None:
    """Who is on duty at the instant; None: nobody, which is possible only before the roster's first turn. Of two overrides
    that overlap the later in the list wins (semantics 24, Rosters)."""
    for override in reversed(roster.overrides):
        if override.begins <= instant < override.finishes:
            return Duty(override.who, Reason.OVERRIDE)
    if instant < roster.begins:
        return None
    return Duty(roster.rotation[_handovers(roster, instant) % len(roster.rotation)], Reason.ROTATION)


def spans(roster: Roster, begin: datetime, end: datetime) -> tuple[Turn, ...]:
    """The turns within [begin, end), in order, cut to it; neighbours with one person and one reason are one turn."""
    turns: list[Turn] = []
    for begins, finishes in pairwise(_cuts(roster, begin.astimezone(UTC), end.astimezone(UTC))):
        duty = on_duty(roster, begins)
        if duty is None:
            continue
        if turns and (turns[-1].finishes, turns[-1].person, turns[-1].why) == (begins, duty.person, duty.why):
            turns[-1] = replace(turns[-1], finishes=finishes)
        else:
            turns.append(Turn(begins=begins, finishes=finishes, person=duty.person, why=duty.why))
    return tuple(turns)


def gaps(roster: Roster, begin: datetime, end: datetime) -> tuple[Span, ...]:
    """The stretches of [begin, end) in which nobody is on duty, in order."""
    held = [(turn.begins, turn.finishes) for turn in spans(roster, begin, end)]
    whole = merge([(begin.astimezone(UTC), end.astimezone(UTC))])
    return tuple(subtract(whole, held))


def _cuts(roster: Roster, begin: datetime, end: datetime) -> list[datetime]:
    """Every instant of [begin, end] at which the answer may change, both ends among them."""
    edges = {edge for override in roster.overrides for edge in (override.begins, override.finishes)}
    edges |= {roster.begins, *_handovers_within(roster, begin, end)}
    return sorted({begin, end, *(edge for edge in edges if begin < edge < end)}) if begin < end else []


def _handovers_within(roster: Roster, begin: datetime, end: datetime) -> Iterator[datetime]:
    if roster.handover is None:
        return
    number = _handovers(roster, max(begin, roster.begins)) + 1
    while (at := _handover(roster, number)) < end:
        yield at
        number += 1


def _handovers(roster: Roster, instant: datetime) -> int:
    """How many handovers lie after the roster's begin and up to the instant."""
    if roster.handover is None:
        return 0
    elapsed = _local_date(roster, instant) - _first_handover(roster)
    number = max(elapsed // _period(roster), -1) + 1
    # A wall clock that goes back over midnight shows a date once more after the handover of the next one.
    while _handover(roster, number + 1) <= instant:
        number += 1
    while number > 0 and _handover(roster, number) > instant:
        number -= 1
    return number


def _handover(roster: Roster, number: int) -> datetime:
    """The instant of the `number`th handover, counted from 1."""
    return _handed_over(roster, _first_handover(roster) + _period(roster) * (number - 1))


def _first_handover(roster: Roster) -> date:
    """The local date of the first handover after the roster's begin."""
    assert roster.handover is not None
    weekday, _ = roster.handover
    day = _local_date(roster, roster.begins)
    while _handed_over(roster, day) <= roster.begins or weekday not in (None, day.weekday()):
        day += timedelta(days=1)
    return day


def _handed_over(roster: Roster, day: date) -> datetime:
    assert roster.handover is not None
    return local_instant(roster.timezone, datetime.combine(day, time()) + timedelta(minutes=roster.handover[1]))


def _period(roster: Roster) -> timedelta:
    assert roster.handover is not None
    return timedelta(days=1 if roster.handover[0] is None else 7)


def _local_date(roster: Roster, instant: datetime) -> date:
    return instant.astimezone(ZoneInfo(roster.timezone)).date()
