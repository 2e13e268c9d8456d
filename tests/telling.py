"""Words for tests of telling people: a few people, ladders in minutes, and a dispatcher that lives in a list."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from models.escalation import (
    Done,
    Entry,
    Escalation,
    Exhaust,
    Expire,
    Message,
    Notify,
    Outcome,
    Remind,
    Settled,
    Told,
    Wait,
    decide,
    escalation_id,
)
from models.event import CaseId, Site
from models.policy import (
    Addressee,
    Channel,
    ChannelSettings,
    Kind,
    Ladder,
    LadderStep,
    Override,
    Person,
    Policy,
    Repeat,
    Roster,
    Severity,
)
from models.signals import SignalId
from tests.heart import at
from tests.heart import policy as heart_policy

WEBHOOK, EMAIL, INBOX = Channel.WEBHOOK, Channel.EMAIL, Channel.INBOX
EXPIRES: Mapping[Severity, timedelta | None] = {
    Severity.S1: timedelta(minutes=16),
    Severity.S2: timedelta(minutes=32),
    Severity.S3: timedelta(hours=4),
    Severity.S4: None,
}
PEOPLE = tuple(
    Person(key=name, name=name.title(), email=f"{name}@example.org", webhook=f"https://hooks.example.org/{name}")
    for name in ("ana", "ben", "cara", "dan")
)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def step(after: float, *to: str, by: tuple[Channel, ...] = (WEBHOOK,)) -> LadderStep:
    """`to` are people, or `roster:NAME`."""
    targets = (Addressee(one.removeprefix("roster:"), one.startswith("roster:")) for one in to)
    return LadderStep(after=minutes(after), to=tuple(targets), by=by)


def ladder(*steps: LadderStep, key: str = "urgent", times: int = 0, **settings: object) -> Ladder:
    told: dict[str, object] = {"repeat": Repeat(times=times), "ack_expires": EXPIRES, **settings}
    return Ladder(key=key, steps=steps, **told)  # type: ignore[arg-type]


THREE = ladder(step(0, "ana"), step(5, "ben"), step(12, "cara"), times=1)


def policy(
    *ladders: Ladder,
    people: tuple[Person, ...] = PEOPLE,
    rosters: tuple[Roster, ...] = (),
    channels: ChannelSettings | None = None,
) -> Policy:
    return replace(
        heart_policy(),
        ladders=ladders,
        people={one.key: one for one in people},
        rosters={one.key: one for one in rosters},
        channels=channels or ChannelSettings(smtp="smtp://localhost:2525"),
    )


def roster(*rotation: str, key: str = "desk", overrides: tuple[Override, ...] = (), **settings: object) -> Roster:
    told: dict[str, object] = {
        "timezone": "America/New_York",
        "begins": datetime(2026, 11, 2, 12, tzinfo=UTC),
        "handover": (None, 420) if len(rotation) > 1 else None,
        **settings,
    }
    return Roster(key=key, rotation=rotation, overrides=overrides, **told)  # type: ignore[arg-type]


def escalation(of: Ladder = THREE, severity: Severity = Severity.S2, **settings: object) -> Escalation:
    told: dict[str, object] = {
        "id": escalation_id("a signal", "1"),
        "signal": SignalId("a signal"),
        "kind": Kind.CLOCK,
        "name": "stat-verified",
        "site": Site("mercy"),
        "setting": "inpatient",
        "case": CaseId("order/1"),
        "opened": at(0),
        **settings,
    }
    return Escalation(severity=severity, ladder=of, **told)  # type: ignore[arg-type]


Answer = Callable[[str, Told], Outcome | tuple[float, Outcome] | None]
"""How the delivery to a person ends: at once, some minutes later, or, None, not at all."""


def accepted(_person: str, _told: Told) -> Outcome:
    return Outcome.SENT


class Desk:
    """A dispatcher in memory: at `run` it does everything that is due then, one thing after the other."""

    def __init__(self, of: Escalation | None = None, under: Policy | None = None, answer: Answer = accepted) -> None:
        self.escalation = of or escalation()
        self.policy = under or policy()
        self.answer = answer
        self.history: list[Entry] = []
        self.under_way: list[Settled] = []

    def run(self, minute: float) -> Wait | Done:
        """What is left to do after everything due at the minute was done."""
        for _ in range(100):
            match decide(self.escalation, self.history, self.policy, at(minute)):
                case Notify(told) | Remind(told):
                    self.history.append(told)
                    for one in told.deliveries:
                        self._answered(minute, one.key, self.answer(one.person, told))
                case Expire(entry) | Exhaust(entry):
                    self.history.append(entry)
                case Wait() | Done() as rest:
                    return rest
        raise AssertionError(f"it never comes to rest at minute {minute}")

    def settle(self, minute: float, key: str, outcome: Outcome) -> None:
        self.history.append(Settled(at=at(minute), key=key, outcome=outcome))

    def play(self, until: float, *acts: Entry, begin: float = 0, every: float | None = None) -> "Desk":
        """Runs through time to the minute `until`, waking exactly when it said it would and when something happens, or,
        if told so, every so many minutes."""
        now, left = begin, sorted(acts, key=lambda act: act.at)
        while now <= until:
            self._happen(now, left)
            rest = self.run(now)
            instants = [_minute(one) for one in (*left, *self.under_way)]
            if isinstance(rest, Wait) and rest.until is not None:
                instants.append(_minute_of(rest.until))
            now = now + every if every else min(instants, default=until + 1)
        return self

    def _happen(self, now: float, left: list[Entry]) -> None:
        happened = [one for one in (*left, *self.under_way) if _minute(one) <= now]
        self.history += sorted(happened, key=lambda one: one.at)
        left[:] = [one for one in left if one not in happened]
        self.under_way = [one for one in self.under_way if one not in happened]

    def _answered(self, minute: float, key: str, answer: Outcome | tuple[float, Outcome] | None) -> None:
        if isinstance(answer, tuple):
            self.under_way.append(Settled(at=at(minute + answer[0]), key=key, outcome=answer[1]))
        elif answer is not None:
            self.settle(minute, key, answer)

    @property
    def told(self) -> list[Told]:
        return [entry for entry in self.history if isinstance(entry, Told)]

    def pages(self) -> list[tuple[float, int, int, str]]:
        """(minute, loop, step, why) of every page, in order."""
        return [(_minute(one), one.loop, one.step, str(one.why)) for one in self.told if one.message is Message.PAGE]

    def messages(self, message: Message) -> list[tuple[float, list[tuple[str, str]]]]:
        """(minute, [(person, channel)]) of every message of a type, in order."""
        return [
            (_minute(one), [(to.person, str(to.channel)) for to in one.deliveries])
            for one in self.told
            if one.message is message
        ]


def _minute(entry: Entry) -> float:
    return _minute_of(entry.at)


def _minute_of(instant: datetime) -> float:
    return (instant - at(0)) / minutes(1)
