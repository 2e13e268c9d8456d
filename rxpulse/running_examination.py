"""What `doctor` looks at while a stack runs: whether the worker keeps up with the topic, what was put aside, which feeds
are still, how near the budgets of disk and connections are, whether the policy suits what the sites send, whether people
are told, and whose address takes no message any more."""

import shutil
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from models.errors import CallerFault
from models.policy import Policy
from models.policy_text import Parsed
from models.settings import Secret, Settings
from models.store.connecting import DatabaseAway, asking
from models.store.gone import Gone, all_gone
from models.store.ledger import RESET
from models.store.soundness import Soundness, soundness
from models.store.vigil import Vigil, vigil
from rxpulse import enacted
from rxpulse import home as homes
from rxpulse.connection_examination import FULL, connections, enter, shut
from rxpulse.findings import Finding, Level, Log, located
from rxpulse.keeping_examination import kept_house
from rxpulse.running import start_of
from rxpulse.telling_examination import telling
from rxpulse.worker_examination import BEHIND, LOOK_SECONDS, STILL, deaf, glance, pace, unread, waiting
from streams.condition import Condition, condition
from streams.lag import ends

QUIET_SECONDS = 24 * 3600.0
"""A feed that said nothing for so long is worth a look."""
MANY = 20
"""Records of this hour and the last that could not be taken, from which a sender is likely broken."""


def examine_running(
    settings: Settings, home: Path | None, figures: str | None, admin: Secret | None
) -> Iterator[Finding]:
    """All findings about the servers and the worker of `settings`. `home` is that of the one-machine stack that runs there,
    `figures` the URL where its worker shows them, `admin` that of the administrator of its PostgreSQL; each None where there
    is none, or nobody knows."""
    try:
        for one in _found(settings, home, figures, admin):
            yield located(one, home)
    except DatabaseAway as away:
        yield located(shut(away), home)


def _found(settings: Settings, home: Path | None, figures: str | None, admin: Secret | None) -> Iterator[Finding]:
    try:
        door = enter(settings, admin)
    except DatabaseAway as away:
        yield shut(away)
        yield from _of_topics(settings, figures, None)
        return
    store = soundness(door.settings.required_database_url())
    workers = set() if store is None else {place.owner for place in store.places if place.owner}
    yield from connections(door, max(len(workers), 1), None if home is None else start_of(home))
    if store is None:
        yield Finding(Level.WARNING, "the database has no tables yet", _NO_TABLES, Log("migrate"))
        return
    yield from _of_store(door.settings, home, store)
    yield from _of_topics(door.settings, figures, store)


def _of_store(settings: Settings, home: Path | None, store: Soundness) -> Iterator[Finding]:
    """What the store alone shows. Raises DatabaseAway."""
    yield from records(store)
    yield from disk(home, store)
    # Elsewhere the setting need not be here: in containers the reports part alone has it.
    yield from kept_house(settings, "for ever" if home else "as long as the reports part is told")
    latest = enacted.judging(settings, people=True)
    yield from policy(latest, settings, store)
    yield from telling(_watched(settings))
    yield from addresses(latest.policy, gone_at(settings, latest.policy))
    yield from waiting(store)


def _of_topics(settings: Settings, figures: str | None, store: Soundness | None) -> Iterator[Finding]:
    """What the topics show, and, where the store is known, how far it is with them. Raises DatabaseAway."""
    try:
        topics = condition(settings, () if store is None else store.places)
    except CallerFault as fault:
        yield Finding(Level.FAULT, f"{fault}; missed deadlines are not looked for meanwhile", _KAFKA, Log("kafka"))
        return
    yield from put_aside(topics)
    if store is None:
        return
    yield from positions(store, topics)
    yield from unread(store, topics)
    yield from deaf(store, topics)
    yield from refused(store)
    yield from after_close(store)
    if behind(store, topics) <= BEHIND:  # while history loads, nobody knows which feed is still
        yield from feeds(store)
    else:
        yield from looked_at_twice(settings, figures, store, topics)


_NO_TABLES = "wait until the step `migrate` has made them; if it does not, see what it says"
_BEGIN_ANEW = f"restore the topic, or begin from this one with {RESET}"
_KAFKA = "bring the broker back; senders keep what it does not take, and the worker goes on by itself"


def looked_at_twice(settings: Settings, figures: str | None, store: Soundness, topics: Condition) -> Iterator[Finding]:
    """A worker that is behind, watched for a few seconds."""
    first = glance(store, {number: held.high for number, held in topics.extents.items()}, figures)
    time.sleep(LOOK_SECONDS)
    later = soundness(settings.required_database_url())
    if later is not None:
        yield from pace(first, glance(later, ends(settings), figures))


def positions(store: Soundness, topics: Condition) -> Iterator[Finding]:
    """The store's positions against the topic."""
    for place in store.places:
        where = f"partition {place.partition} of rx.events"
        held = topics.extents.get(place.partition)
        if place.cluster != topics.cluster:
            what = f"the store's positions were counted on the Kafka cluster {place.cluster}, not {topics.cluster}"
            yield Finding(Level.FAULT, what, f"set RXPULSE_KAFKA to the old one, or {RESET}", where)
        elif held is None or place.position > held.high:
            end = "is not there" if held is None else f"ends at {held.high}"
            what = f"the topic {end}, and the store has applied it up to {place.position}"
            yield Finding(Level.FAULT, what, _BEGIN_ANEW, where)
        elif place.position < held.low:
            what = f"{held.low - place.position} events were deleted from the topic before they were read"
            yield Finding(Level.FAULT, what, f"restore them, or accept the gap with {RESET}", where)
        elif place.partition in topics.replaced:
            what = (
                f"the topic holds another record at {place.position - 1} than was applied: it lost its end and grew on"
            )
            yield Finding(Level.FAULT, what, _BEGIN_ANEW, where)
    yield from _worker(store, behind(store, topics))


def behind(store: Soundness, topics: Condition) -> int:
    """Events that are not applied yet, of partitions whose positions can be followed."""
    known = {place.partition: place for place in store.places}
    lag = 0
    for number, held in topics.extents.items():
        place = known.get(number)
        if place is None:
            lag += held.high - held.low
        elif place.cluster == topics.cluster and held.low <= place.position <= held.high:
            lag += held.high - place.position
    return lag


def _worker(store: Soundness, lag: int) -> Iterator[Finding]:
    beat = max((place.beat for place in store.places if place.beat), default=None)
    if beat is None or store.now - beat > STILL:
        since = "yet" if beat is None else f"since {beat:%Y-%m-%dT%H:%M:%SZ}"
        yield Finding(Level.FAULT, f"the worker has written nothing {since}", "see its last lines there", Log("worker"))
    if lag <= BEHIND:
        yield Finding(Level.GOOD, f"{lag} events are still to be applied")


def put_aside(topics: Condition) -> Iterator[Finding]:
    """The dead letters, as many as their topic still keeps."""
    if topics.last is None:
        yield Finding(Level.GOOD, "rx.deadletter holds nothing: no record was put aside for as long as it is kept")
        return
    last = topics.last
    what = (
        f"rx.deadletter holds {topics.dead_letters} records that could not be taken; the last one was put aside at"
        f" {last.at:%Y-%m-%dT%H:%MZ}: {last.reason}"
    )
    remedy = "`rxpulse deadletter list` shows why and from where; mend the sender"
    yield Finding(Level.WARNING, what, remedy, f"rx.deadletter, offset {last.offset}")


def refused(store: Soundness) -> Iterator[Finding]:
    """Dead letters that come in numbers."""
    total = sum(store.refused.values())
    if total > MANY:
        reason, count = max(store.refused.items(), key=lambda one: one[1])
        what = f"{total} records of this hour and the last could not be taken, {count} of them: {reason}"
        remedy = "ask whoever runs the sender, which was most likely changed; more than 100 of 1000 stop the worker"
        yield Finding(Level.WARNING, what, remedy, "`rxpulse deadletter list`")


def records(store: Soundness) -> Iterator[Finding]:
    """What should not come, and is counted."""
    reused = sum(place.id_reused for place in store.places)
    rerouted = sum(place.rerouted for place in store.places)
    if reused:
        remedy = "the sender gives one id to different events: have it give each its own"
        yield Finding(
            Level.WARNING, f"{reused} events came under an id that another has", remedy, "positions.id_reused"
        )
    if rerouted:
        remedy = "another producer places by another rule: set its partitioner to murmur2 and its key to the subject"
        yield Finding(Level.WARNING, f"{rerouted} events lay in a partition of others", remedy, "positions.rerouted")


def after_close(store: Soundness) -> Iterator[Finding]:
    """New words about work that ended long ago, where they come in numbers."""
    for site, count in store.after_close.items():
        if count > MANY:
            what = f"{count} events of the last seven days are about cases that were over and put away"
            remedy = (
                "most likely the sender gives new work the number of old work, which is then neither timed nor judged:"
                " have it give each order and each fill an id of its own"
            )
            yield Finding(Level.WARNING, what, remedy, f"site {site}")


def feeds(store: Soundness) -> Iterator[Finding]:
    """Feeds that have been still for long."""
    for feed in store.feeds:
        hours = (store.now - feed.last).total_seconds() / 3600
        if hours * 3600 > QUIET_SECONDS:
            what = f"nothing was recorded for {hours:.0f} hours"
            remedy = "see whether the sender still runs; if it is gone for good, nothing has to be done"
            yield Finding(Level.WARNING, what, remedy, f"feed {feed.source} at {feed.site}")


def disk(home: Path | None, store: Soundness) -> Iterator[Finding]:
    """What the data takes, against what there is room for where it lies in this home (None: it lies elsewhere)."""
    if home is None:
        yield Finding(Level.GOOD, f"the database takes {_mib(store.size)}")
        return
    kafka = homes.size_bytes(home / "kafka") if (home / "kafka").exists() else 0
    whole = shutil.disk_usage(home)
    what = (
        f"the events take {_mib(kafka)}, the database {_mib(store.size)};"
        f" {whole.used / whole.total:.0%} of the disk is used, {_mib(whole.free)} are free"
    )
    if whole.free < max((1 - FULL) * whole.total, 2 * (kafka + store.size)) and whole.used > FULL * whole.total:
        remedy = "make room, or keep events for less long (RXPULSE_RETENTION_DAYS, retention.ms of rx.events)"
        yield Finding(Level.WARNING, what, remedy, str(home))
    else:
        yield Finding(Level.GOOD, what)


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def policy(latest: Parsed, settings: Settings, store: Soundness) -> Iterator[Finding]:
    """The latest policy against what the sites send, and against the file beside it. Raises DatabaseAway."""
    if differs := enacted.differs(settings):
        what, _, remedy = differs.partition(": ")
        yield Finding(Level.WARNING, what, remedy, str(settings.policy))
    found = enacted.suited(latest, store)
    found = enacted.foreseen(found, datetime.now(UTC))
    for caution in found.cautions:
        what, _, remedy = caution.message.rpartition("; ")
        yield Finding(Level.WARNING, what or caution.message, remedy, f"policy {caution.key}".strip())


def _watched(settings: Settings) -> Vigil:
    """Whether people are told in time. Raises DatabaseAway."""
    with asking(settings.required_database_url(), "rxpulse doctor") as store:
        return vigil(store)


def gone_at(settings: Settings, policy: Policy) -> list[Gone]:
    """The people of the policy whose webhook is gone, by what was delivered. Raises DatabaseAway."""
    with asking(settings.required_database_url(), "rxpulse doctor") as store:
        return all_gone(store, policy.people.values())


def addresses(policy: Policy, gone: Iterable[Gone]) -> Iterator[Finding]:
    """Webhooks that said they are gone: whose pages by that way go nowhere, and what brings them back."""
    for one in gone:
        person = policy.people[one.person]
        what = (
            f"the webhook of {person.name} at {one.host} said that it is gone (HTTP 410) at"
            f" {one.since:%Y-%m-%dT%H:%MZ}: nothing more is sent there"
        )
        remedy = (
            "give another webhook there and `rxpulse policy apply` the file; if it is back after all,"
            f" `rxpulse contact test {person.key} --by webhook`"
        )
        yield Finding(Level.WARNING, what, remedy, f"policy person.{person.key}")
