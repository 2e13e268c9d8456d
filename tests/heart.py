"""Words for tests of the heart: events told in minutes after a Monday noon, and a policy small enough to read."""

from datetime import UTC, datetime, timedelta

from models.event import CaseId, Data, Event, EventType, Source
from models.hours import WorkingTime
from models.policy import (
    BEGINNING,
    Applies,
    ByField,
    ChannelSettings,
    Clock,
    Pause,
    Policies,
    Policy,
    Rate,
    Rule,
    RuleName,
    Severity,
    Site,
    SiteProfile,
    Within,
    Worsens,
)
from models.tracking import Step, Watched, tick, track

NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)
ALWAYS = WorkingTime(timezone="UTC", weekly=None, holidays=frozenset(), us_federal=False)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def types(*names: str) -> frozenset[EventType]:
    return frozenset(EventType("rx." + name) for name in names)


def event(
    name: str,
    minutes: float,
    *,
    key: str | None = None,
    case: str = "order/1",
    recorded: float | None = None,
    **data: object,
) -> Event:
    said: Data = {"site": "mercy", **data}  # type: ignore[typeddict-item]
    return Event(
        key or f"{name}@{minutes}",
        Source("/mercy/pis"),
        EventType("rx." + name),
        at(minutes),
        at(minutes if recorded is None else recorded),
        CaseId(case),
        said,
    )


def clock(name: str, starts: str, stops: str, **settings: object) -> Clock:
    told: dict[str, object] = {
        "title": name,
        "case": "order",
        "target": Within(timedelta(minutes=10)),
        "severity": Severity.S2,
        "source": "a test",
        **settings,
    }
    return Clock(name=name, starts=types(starts), stops=types(stops), **told)  # type: ignore[arg-type]


STAT = clock(
    "stat-verified",
    "order.entered",
    "order.verified",
    when=(("priority", frozenset({"stat"})),),
    ends=types("order.discontinued"),
    pauses=(Pause(EventType("rx.order.intervention.opened"), EventType("rx.order.intervention.resolved")),),
    warn_at=0.5,
    worsens=(Worsens(2.0, Severity.S1),),
)
VERIFIED = clock("order-to-verified", "order.entered", "order.verified", target=Within(timedelta(hours=2)))
DOSE = clock("dose-window", "dose.scheduled", "dose.administered", per="links.dose", target=ByField("promised"))
RETURNED = Rate(
    name="not-given",
    title="doses not given",
    opportunity=types("dose.administered"),
    error=types("dose.not_given"),
    per_month=2000,
    baseline=0.05,
    detect=2.0,
    false_alarms_per_month=1,
    severity=Severity.S3,
    source="a test",
    entry="e1",
)


def policy(*clocks: Clock, version: str = "v1") -> Policy:
    return Policy(
        version=version,
        sites={},
        default_site=SiteProfile(site=Site("default"), name="default", setting=None, working=ALWAYS),
        clocks={one.name: one for one in clocks or (STAT, VERIFIED, DOSE)},
        rules={
            name: Rule(name=name, title=name, severity=Severity.S1, source="a test", applies=Applies())
            for name in RuleName
        },
        rates={RETURNED.name: RETURNED},
        feeds={},
        people={},
        rosters={},
        ladders=(),
        channels=ChannelSettings(),
    )


ONE = Policies.only(policy())


def since(minutes: float, before: Policy, after: Policy) -> Policies:
    """One version, and another in force from then on."""
    return Policies((BEGINNING, at(minutes)), (before, after))


def watch(*events: Event, policies: Policies = ONE, now: float | None = None) -> Watched:
    """The case after these events, in this order of arrival, and a last tick where `now` is given."""
    case = Watched(events[0].subject)
    for one in events:
        case = track(case, one, policies).case
    return case if now is None else tick(case, policies, at(now)).case


def last(*events: Event, policies: Policies = ONE) -> Step:
    """The step of the last of these events."""
    case = Watched(events[0].subject)
    for one in events[:-1]:
        case = track(case, one, policies).case
    return track(case, events[-1], policies)
