"""Who is on duty when: shifts, breaks, interruptions, and people who do not come.

People clock in, take a break when they can be spared from what they are doing, are called away by questions, and finish
their last piece of work before they go home. A night has few of them. All waiting follows from that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import floor

from streams.simulation.chances import Length, lasting
from streams.simulation.clockwork import Process
from streams.simulation.pharmacy import Pharmacy
from streams.simulation.queues import Crew, Person

BREAK = 30 * 60.0
INTERRUPTION = lasting(150, 0.8)
_INTERRUPTION_URGENCY = 1


@dataclass(frozen=True, slots=True)
class Shift:
    """`days` are weekdays (Monday 0); `begins` in minutes from midnight; `length` in minutes; `heads` at volume 1, at
    other volumes in proportion, but never fewer than `least`."""

    role: str
    days: Sequence[int]
    begins: int
    length: int
    heads: float
    least: int = 1

    def people(self, volume: float) -> int:
        return max(self.least, floor(self.heads * volume + 0.5))


WEEKDAYS, WEEKEND, DAILY = range(5), (5, 6), range(7)


def present(role: str, heads: int, absent_share: float) -> int:
    """How many of `heads` come when a share of them is absent. Nobody opens a pharmacy without a pharmacist."""
    return max(1 if role == "pharmacist" and heads else 0, floor(heads * (1 - absent_share)))


def rostered(site: Pharmacy, shifts: Sequence[Shift]) -> Process:
    """Begins the duties of each local day, for ever; the day before the start is there for its night shift."""
    day = site.almanac.local(site.now).date() - timedelta(1)
    while True:
        for number, shift in enumerate(shifts):
            if day.weekday() in shift.days:
                _begin(site, shift, number, day)
        day += timedelta(1)
        yield max(0.0, site.seconds_to(site.almanac.at(day, 0)))


def _begin(site: Pharmacy, shift: Shift, number: int, day: date) -> None:
    begins = site.almanac.at(day, shift.begins)
    ends = begins + shift.length * 60_000
    if ends <= site.now:
        return
    heads = shift.people(site.spec.volume)
    pool = heads + heads // 2 + 1
    for place in range(heads):
        turn = (place + day.toordinal() * heads) % pool
        site.start(_duty(site, shift, (number, turn), (place, heads), ends), site.seconds_to(begins))


def _duty(site: Pharmacy, shift: Shift, who: tuple[int, int], place: tuple[int, int], ends: int) -> Process:
    yield site.luck.random() * 240
    if site.now < site.absent_until and place[0] >= present(shift.role, place[1], site.absent_share):
        return
    name = f"{shift.role}/{who[0]}/{who[1]}"
    station = f"{shift.role[:4]}-{place[0] + 1:02d}"
    person = Person(site.crews[shift.role], site.pseudonym(name), station, site.key("shift"))
    clock = site.feed("timeclock")
    site.say("rx.staff.clock_in", person.shift, clock, person)
    person.crew.arrive(person)
    if shift.length > 300:
        yield shift.length * 60 * (0.4 + 0.2 * site.luck.random())
        yield from _break(site, person)
    yield site.seconds_to(ends)
    yield from going_home(site, person)


def _break(site: Pharmacy, person: Person) -> Process:
    if person.gone:
        return
    yield person, 0
    if not person.gone:
        clock = site.feed("timeclock")
        site.say("rx.staff.break.started", person.shift, clock, person)
        yield BREAK
        site.say("rx.staff.break.ended", person.shift, clock, person)
        person.free()


def going_home(site: Pharmacy, person: Person) -> Process:
    """After his last piece of work. Whoever was sent home already does not go again."""
    if person.gone:
        return
    person.gone = True
    yield person, 0
    person.crew.leave(person)
    site.say("rx.staff.clock_out", person.shift, site.feed("timeclock"), person)


def interrupted(site: Pharmacy, crew: Crew, per_hour: float, length: Length = INTERRUPTION) -> Process:
    """Questions, phone calls from wards, an emergency: each person on duty is called away `per_hour` times."""
    while True:
        yield site.luck.expovariate(per_hour * max(1, len(crew.on_duty)) / 3600)
        if crew.on_duty:
            site.start(_interruption(site, crew, length))


def _interruption(site: Pharmacy, crew: Crew, length: Length) -> Process:
    person = yield crew, _INTERRUPTION_URGENCY
    yield site.took(length)
    person.free()
