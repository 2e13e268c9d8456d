"""Who is told what: the store as the dispatcher and the console see it.

Signals that ask for attention become escalations, escalations that are due become deliveries, and every answer is written
down. What comes next is decided by the pure rules of `models.escalation`; here it is only looked up and written, one
transaction at a time, under locks that let several dispatchers work side by side. What is due is decided by the
database's `now()` alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg import Connection, Cursor
from psycopg.types.json import Jsonb

from models import feeds
from models.escalation import (
    Awaited,
    Delivery,
    Done,
    Escalation,
    Exhaust,
    Expire,
    Message,
    Notify,
    Outcome,
    Remind,
    Resolved,
    Rose,
    Settled,
    State,
    Telling,
    Told,
    Wait,
    decide,
    escalation_from_row,
    escalation_id,
    fold,
    gives_up_after,
    ladder_for,
    moot,
    told_when,
)
from models.event import Site
from models.policy import Kind, Ladder, Policy, RuleName
from models.signals import Signal
from models.store.answering import (
    Ended,
    Free,
    Moved,
    NotByHand,
    Over,
    Standing,
    Stranger,
    Unknown,
    acknowledge,
    pass_on,
    release,
    resolve,
    resolve_many,
    resolve_signal,
)
from models.store.briefs import brief_of
from models.store.grouping import gather, join, leave, members, membership
from models.store.history import add, announce, enter, happen, history, write
from models.store.linking import Offer, Spent, acknowledge_by_link, offer
from models.store.messages import Voice, feed_title, message
from models.store.quiet import Silences, Started, keep_feed, kept_back, silences, silent_feed
from models.store.revisions import revision_base
from models.store.rows import signal_of

__all__ = [
    "Desk",
    "Ended",
    "Free",
    "Moved",
    "NotByHand",
    "Offer",
    "Over",
    "Spent",
    "Standing",
    "Stranger",
    "Unknown",
    "acknowledge",
    "acknowledge_by_link",
    "act",
    "attend",
    "now",
    "offer",
    "pass_on",
    "release",
    "resolve",
    "resolve_many",
    "resolve_signal",
    "title_of",
]
_BEHIND = timedelta(seconds=10)
"""A partition whose silence was last judged longer ago than this is not caught up."""
_LOOK_AGAIN = timedelta(seconds=5)
"""How soon an escalation that waits for that looks whether it is so by now: often enough for a page, and not so often that
thousands of them keep the dispatcher from its messages."""
OVERLOOKED: LiteralString = "told IS NULL AND NOT quiet AND cleared IS NULL AND now() - known > %s"
"""Of what asks for attention: it was news when it was judged, and nobody was there to tell it as long as it was."""
SIGNAL: LiteralString = "id, kind, name, severity, site, case_id, raised, known, cleared, reason, revision"


@dataclass(frozen=True, slots=True)
class Desk:
    """What is needed to decide: the policy in force, the instant at which this dispatcher started, and how messages
    speak."""

    policy: Policy
    started: datetime
    voice: Voice


def now(connection: "Connection[Any]") -> datetime:
    """The database's clock, UTC."""
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    return row[0]


def attend(connection: "Connection[Any]", desk: Desk, limit: int = 200) -> int:
    """Looks at signals that ask for attention, and returns how many: opens, raises and ends escalations. Those that are
    OVERLOOKED are left to whoever looks back."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {SIGNAL}, told, quiet, now() FROM signals WHERE attention AND NOT ({OVERLOOKED})"
            " ORDER BY changed, id LIMIT %s FOR UPDATE SKIP LOCKED",
            [desk.policy.tell_within, limit],
        )
        rows = cursor.fetchall()
        if not rows:
            return 0
        silent = silences(cursor)
        for *about, told, quiet, now in rows:
            signal = signal_of(about)
            verdict = "resolved" if quiet else _attend(cursor, desk, signal, told, now, silent)
            cursor.execute("UPDATE signals SET attention = false, told = %s WHERE id = %s", [verdict, signal.id])
        announce(cursor, "signal", [row[0] for row in rows])
    return len(rows)


def act(connection: "Connection[Any]", desk: Desk, limit: int = 50) -> int:
    """Takes escalations that are due as far as they go now, and returns how many. What is to be sent stands in
    `deliveries` afterwards."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, about, now() FROM escalations WHERE due <= now() ORDER BY due, id LIMIT %s"
            " FOR UPDATE SKIP LOCKED",
            [limit],
        )
        rows = cursor.fetchall()
        if not rows:
            return 0
        silent = silences(cursor)
        for _, about, now in rows:
            _take_on(cursor, desk, escalation_from_row(about), now, silent)
        announce(cursor, "escalation", [row[0] for row in rows])
    return len(rows)


def _attend(
    cursor: "Cursor[Any]", desk: Desk, signal: Signal, told: str | None, now: datetime, silent: Silences
) -> str | None:
    """What `told` says of the signal from now on."""
    cursor.execute("SELECT about FROM escalations WHERE signal = %s AND state <> 'resolved' FOR UPDATE", [signal.id])
    row = cursor.fetchone()
    running = None if row is None else escalation_from_row(row[0])
    group = membership(cursor, signal.id)
    if not signal.open:
        if running is not None:
            happen(cursor, running, Resolved(at=now), now)
        if group is not None:
            leave(cursor, group.escalation, now)
        return told or "cleared"
    verdict = told_when(now, signal.known, desk.policy.tell_within)
    ladder = ladder_of(desk.policy, signal)
    if running is not None:
        risen = signal.severity < fold(running, history(cursor, running.id)).severity
        if risen and verdict == "yes":
            happen(cursor, running, Rose(at=now, severity=signal.severity, ladder=ladder), now)
        return told
    if group is not None and (signal.severity >= group.severity or verdict != "yes"):
        return told
    if verdict != "yes":
        return verdict.value
    if signal.kind is Kind.CLOCK and _waits(cursor, signal, silent):
        return Telling.HELD.value
    if ladder is None:
        return "nobody"
    if signal.kind is Kind.FEED and signal.name == feeds.WORKER:
        _gather_workers(cursor, desk.policy, signal, ladder, now)
        return "yes"
    open_escalation(cursor, desk.policy, signal, ladder, now)
    return "yes"


def _waits(cursor: "Cursor[Any]", signal: Signal, silent: Silences) -> bool:
    """Whether a clock's signal is kept back until its feed speaks, which is written down then."""
    found = silent_feed(cursor, started(signal), silent)
    if found is None or not kept_back(signal.severity, found):
        return False
    keep_feed(cursor, signal.id, found.feed)
    return True


def _gather_workers(cursor: "Cursor[Any]", policy: Policy, signal: Signal, ladder: Ladder, now: datetime) -> None:
    """One page a ladder, whatever the number of sites (semantics 24, Summaries)."""
    if not join(cursor, Kind.FEED, signal.name, ladder, signal):
        setting, title = setting_of(policy, signal), title_of(policy, signal)
        gather(cursor, signal.id, Kind.FEED, signal.name, setting, ladder, [signal], now, title)


def open_escalation(cursor: "Cursor[Any]", policy: Policy, signal: Signal, ladder: Ladder, now: datetime) -> None:
    """Opens the escalation of one signal. It is named by the revision seen outside, which goes on when facts are made again:
    what is raised anew after that would otherwise pass for what was told before."""
    revision = signal.revision + revision_base(cursor)
    escalation = Escalation(
        id=escalation_id(signal.id, str(revision)),
        signal=signal.id,
        kind=signal.kind,
        name=signal.name,
        severity=signal.severity,
        site=signal.site,
        setting=setting_of(policy, signal),
        case=signal.case,
        opened=now,
        ladder=ladder,
    )
    enter(cursor, escalation, title_of(policy, signal))


def gather_by_ladder(
    cursor: "Cursor[Any]",
    desk: Desk,
    found: Iterable[tuple[Ladder, Signal]],
    name: str,
    about: str,
    now: datetime,
    title: str,
) -> None:
    """Opens one group a ladder for signals that are told together (semantics 24, Summaries)."""
    groups: dict[str, tuple[Ladder, list[Signal]]] = {}
    for ladder, signal in found:
        groups.setdefault(ladder.key, (ladder, []))[1].append(signal)
    for ladder, signals in groups.values():
        gather(cursor, about, None, name, setting_of(desk.policy, signals[0]), ladder, signals, now, title)


def title_of(policy: Policy, signal: Signal) -> str:
    """What the signal is about, in the policy's words; its name where the policy no longer has it."""
    match signal.kind:
        case Kind.CLOCK if signal.name in policy.clocks:
            return policy.clocks[signal.name].title
        case Kind.RULE if RuleName(signal.name) in policy.rules:
            return policy.rules[RuleName(signal.name)].title
        case Kind.RATE if signal.name in policy.rates:
            return policy.rates[signal.name].title
        case Kind.FEED:
            return feed_title(signal.name)
        case _:
            return signal.name


def ladder_of(policy: Policy, signal: Signal) -> Ladder | None:
    """The ladder by which a signal is told; None: board only."""
    return ladder_for(
        policy,
        severity=signal.severity,
        site=signal.site,
        setting=setting_of(policy, signal),
        kind=signal.kind,
        name=signal.name,
    )


def ladder_of_summary(policy: Policy, signal: Signal) -> Ladder | None:
    """The first that matches site, setting and severity and names neither kind nor name; None: board only."""
    setting = setting_of(policy, signal)
    return ladder_for(policy, severity=signal.severity, site=signal.site, setting=setting, kind=None, name=None)


def started(signal: Signal) -> Started:
    """The clock that a signal with a case is about."""
    assert signal.case is not None
    return Started(signal.id, signal.name, signal.site, signal.case)


def setting_of(policy: Policy, signal: Signal) -> str:
    """Of an undeclared site the kind of case says what it must be: the row of a signal holds no more."""
    return policy.setting(Site(signal.site), "retail" if (signal.case or "").startswith("fill/") else "inpatient")


def _take_on(cursor: "Cursor[Any]", desk: Desk, escalation: Escalation, now: datetime, silent: Silences) -> None:
    known = history(cursor, escalation.id)
    behind = _behind_since(cursor, desk, escalation, now)
    while True:
        decision = decide(escalation, known, desk.policy, now, behind_since=behind)
        match decision:
            case Wait(until, Awaited.CAUGHT_UP) if until is not None:
                # Nothing wakes it when the worker has caught up, so it looks for itself.
                due = min(until, now + _LOOK_AGAIN)
                break
            case Wait(until, _):
                due = until
                break
            case Done():
                due = None
                break
            case Notify(entry) | Remind(entry):
                add(cursor, escalation.id, known, entry)
                _deliver(cursor, desk, escalation, fold(escalation, known), entry, now, silent)
            case Expire(entry) | Exhaust(entry):
                add(cursor, escalation.id, known, entry)
    for pointless in _cancelled(cursor, moot(fold(escalation, known))):
        add(cursor, escalation.id, known, Settled(at=now, key=pointless, outcome=Outcome.CANCELLED))
    write(cursor, escalation.id, fold(escalation, known), due)


def _behind_since(cursor: "Cursor[Any]", desk: Desk, escalation: Escalation, now: datetime) -> datetime | None:
    """Since when the partition of the escalation's case is not caught up; None where it is."""
    if escalation.case is None:
        return None
    cursor.execute("SELECT p.judged FROM cases c JOIN positions p USING (partition) WHERE c.id = %s", [escalation.case])
    row = cursor.fetchone()
    judged = None if row is None else row[0]
    if judged is None or judged < desk.started:
        return desk.started
    return judged if now - judged > _BEHIND else None


def _deliver(
    cursor: "Cursor[Any]",
    desk: Desk,
    escalation: Escalation,
    state: State,
    entry: Told,
    now: datetime,
    silent_now: Silences,
) -> None:
    gives_up = now + gives_up_after(state.severity)
    raised = _raised(cursor, escalation)
    group = members(cursor, escalation.id) if escalation.signal is None else None
    among = None if group is None else (group.count, group.signals)
    silent = _silent(cursor, escalation, silent_now) if entry.message is Message.PAGE else None
    work = brief_of(cursor, escalation.case)
    for one in entry.deliveries:
        said = message(desk.voice, desk.policy, escalation, state, entry, one, now - raised, among, silent, work)
        cursor.execute(
            "INSERT INTO deliveries (key, escalation, signal, type, loop, step, person, channel, state, made, gives_up,"
            " due, message) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'pending', %s, %s, %s, %s)",
            [
                *(one.key, escalation.id, escalation.signal, entry.message.value, entry.loop, entry.step),
                *(one.person, one.channel.value, now, gives_up, now, Jsonb(said)),
            ],
        )


def _silent(cursor: "Cursor[Any]", escalation: Escalation, now: Silences) -> datetime | None:
    """Since when nothing is heard of the feed that started the clock that this is about; None where it speaks."""
    if escalation.kind is not Kind.CLOCK or escalation.signal is None or escalation.case is None:
        return None
    assert escalation.site is not None
    about = Started(escalation.signal, escalation.name, escalation.site, escalation.case)
    found = silent_feed(cursor, about, now)
    return None if found is None else found.since


def _raised(cursor: "Cursor[Any]", escalation: Escalation) -> datetime:
    if escalation.signal is None:
        return members(cursor, escalation.id).since or escalation.opened
    cursor.execute("SELECT raised FROM signals WHERE id = %s", [escalation.signal])
    row = cursor.fetchone()
    return escalation.opened if row is None else row[0]


def _cancelled(cursor: "Cursor[Any]", pointless: Sequence[Delivery]) -> list[str]:
    if not pointless:
        return []
    cursor.execute(
        "UPDATE deliveries SET state = 'cancelled', due = NULL WHERE key = ANY(%s) AND state = 'pending' RETURNING key",
        [[one.key for one in pointless]],
    )
    return [key for (key,) in cursor]
