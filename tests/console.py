"""Words for tests of the console: a store with work, signals and escalations in it, and the console served over it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import uvicorn

from console.app import create_app
from console.first_run import unheard
from console.serving import server
from metrics.exporter import PrometheusRecorder
from models import policy_text
from models.event import CaseId, Data, Event, EventType, Source
from models.policy import Policies
from models.settings import Secret, Settings
from models.store import accounts, deliveries, desk, mint_first_link, policies
from models.store.console import ConsoleStore
from models.store.grouping import SUMMARY, gather
from models.store.messages import Voice
from models.store.records import case_row
from models.store.rights import Rights, Role
from models.store.rows import signal_of
from models.tracking import Watched, tick
from models.tracking.trimming import receive

DEMO = Path(policy_text.__file__).parent.parent / "defaults" / "demo.toml"
KEY = "a-key-of-this-installation-0123"
PASSWORD = "correct horse battery staple"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Served:
    """A console that answers at `url`, over the database of `database_url`. `clients` are closed with it."""

    url: str
    database_url: str
    clients: list[httpx.Client] = field(default_factory=list)

    def link(self) -> str:
        """A fresh link that signs in once."""
        return mint_first_link(self.database_url, self.url)

    def api(self) -> httpx.Client:
        """A program with the key of the installation."""
        return self.client(headers={"authorization": f"Bearer {KEY}"})

    def browser(self) -> httpx.Client:
        """A browser that nobody has signed in with, and that sends what browsers send with forms of the own page."""
        return self.client(headers={"sec-fetch-site": "same-origin"})

    def client(self, **given: dict[str, str]) -> httpx.Client:
        """Somebody who asks, with these headers or cookies."""
        self.clients.append(httpx.Client(base_url=self.url, **given))  # type: ignore[arg-type]
        return self.clients[-1]

    def signed_in(self, person: str = "manager") -> httpx.Client:
        """A browser with a person signed in."""
        browser = self.browser()
        token = self.link().partition("link=")[2]
        answer = browser.post("/enter", data={"link": token, "person": person})
        assert answer.status_code == 303, answer.text
        return browser

    def account(self, name: str, role: Role, *sites: str) -> httpx.Client:
        """A browser signed in with an account that was just made."""
        accounts.add(self.database_url, name, Rights(role, sites or None), PASSWORD)
        browser = self.browser()
        answer = browser.post("/enter", data={"name": name, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return browser


def csrf_of(browser: httpx.Client, path: str = "/board") -> str:
    """The word that a form of this session has to carry, as it stands on a page."""
    return csrf_in(browser.get(path).text)


def csrf_in(page: str) -> str:
    """The word that the forms of a page carry; empty where it has none."""
    return page.partition('name="csrf" value="')[2].partition('"')[0]


@contextmanager
def serving(database_url: str, **given: object) -> Iterator[Served]:
    """The console on a free port of loopback, until the block ends. `given` are further settings, and who tells other
    programs of a version (`announce`)."""
    announce = given.pop("announce", unheard)
    told = {"home": Path("/nowhere"), "cache": Path("/nowhere"), "api_key": Secret(KEY), **given}
    settings = Settings(database_url=Secret(database_url), **told)  # type: ignore[arg-type]
    app = create_app(settings, ConsoleStore(database_url), PrometheusRecorder("console"), announce)  # type: ignore[arg-type]
    one = server(app, settings, 0)
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    try:
        scheme = "https" if settings.tls_cert else "http"
        served = Served(f"{scheme}://127.0.0.1:{_port(one, thread)}", database_url)
        yield served
        for client in served.clients:
            client.close()
    finally:
        app.state.feed.end()
        one.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the console does not stop"


def _port(one: uvicorn.Server, thread: threading.Thread) -> int:
    until = datetime.now(UTC) + timedelta(seconds=20)
    pause = threading.Event()
    while not one.started:
        assert thread.is_alive() and datetime.now(UTC) < until, "the console did not start"
        pause.wait(0.01)
    return one.servers[0].sockets[0].getsockname()[1]


class Story:
    """Puts things into the store, as the worker and the dispatcher would."""

    def __init__(self, database_url: str) -> None:
        policies.begin(database_url, policy_text.read(DEMO), "a test")
        self.connection = psycopg.connect(database_url, autocommit=True)
        self.policy = policy_text.read(DEMO).policy
        self.now: datetime = desk.now(self.connection)
        self.sequence = 0

    def read(self, partition: int, judged: datetime | None) -> None:
        """A partition whose silence was listened to up to `judged`, and whose worker lives for as long as a test takes."""
        self.connection.execute(
            "INSERT INTO positions (partition, cluster, judged, beat) VALUES (%s, 'c', %s, now() + interval '5 minutes')",
            [partition, judged],
        )

    def case(self, name: str, waits: str | None, priority: str, minutes: float, pace: str, **more: object) -> None:
        """A case that waits since so many minutes."""
        told = {"site": "mercy", "finished": None, **more}
        self.connection.execute(
            "INSERT INTO cases (id, partition, site, kind, priority, waits, since, opened, finished, pace, body)"
            " VALUES (%s, 0, %s, %s, %s, %s, %s, %s, %s, %s, '')",
            [
                *(name, told["site"], name.partition("/")[0], priority, waits),
                *(since := [self.now - minutes * MINUTE]),
                *(*since, told["finished"], pace),
            ],
        )

    def lived(self, *events: Event, judged: datetime | None = None) -> str:
        """A case with these events, kept as the worker keeps it; its id."""
        policies = Policies.only(self.policy)
        case = Watched(events[0].subject)
        for one in events:
            case = receive(case, one, policies).case
        step = tick(case, policies, judged or self.now)
        row = case_row(step.case, 0, step.look)
        self.connection.execute(
            "INSERT INTO cases (id, partition, site, kind, priority, waits, since, opened, finished, look, pace, body)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(row.id, row.partition, row.site, row.kind, row.priority, row.waits, row.since, row.opened),
                *(row.finished, row.look, row.pace.value, row.body),
            ],
        )
        return row.id

    def put_away(self, case: str, finished: datetime, departed: datetime) -> None:
        """The case has left the store as the worker lets it go."""
        self.connection.execute(
            "WITH gone AS (DELETE FROM cases WHERE id = %s RETURNING *)"
            " INSERT INTO departures (case_id, partition, position, site, priority, opened, finished, departed)"
            " SELECT id, partition, 7, site, priority, opened, %s, %s FROM gone",
            [case, finished, departed],
        )

    def event(self, kind: str, minutes: float, case: str = "order/7f3a1c9e", **said: object) -> Event:
        """An event of so many minutes ago."""
        known = said.pop("recorded", minutes)
        assert isinstance(known, float | int)
        data: Data = {"site": "mercy", **said}  # type: ignore[typeddict-item]
        source, name = Source("/mercy/pis"), f"{kind}@{minutes:g}"
        when, recorded = self.now - minutes * MINUTE, self.now - known * MINUTE
        return Event(name, source, EventType(f"rx.{kind}"), when, recorded, CaseId(case), data)

    def signal(self, name: str, severity: int, minutes: float = 0, **more: object) -> str:
        """An open signal that is true since so many minutes and that nobody has looked at yet; its id."""
        given = {"id": f"signal-{name}", "kind": "clock", "site": "mercy", "case": "order/1", "cleared": None, **more}
        raised = self.now - minutes * MINUTE
        self.connection.execute(
            "INSERT INTO signals (id, kind, name, severity, site, case_id, raised, known, cleared, revision, attention)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 1, true)",
            [
                *(given["id"], given["kind"], name, severity, given["site"], given["case"]),
                *(raised, raised, given["cleared"]),
            ],
        )
        return str(given["id"])

    def interval(self, clock: str, days: float, minutes: float, **more: object) -> None:
        """A clock that stopped so many days ago and had shown so many minutes; in target up to 10."""
        self.sequence += 1
        given = {"id": f"i{self.sequence}", "site": "mercy", "revision": 1, "retracted": False, **more}
        stopped = self.now - timedelta(days=days)
        self.connection.execute(
            "INSERT INTO intervals (partition, sequence, position, id, clock, site, priority, case_id, started, stopped,"
            " net, target, in_target, revision, retracted) VALUES (0, %s, 0, %s, %s, %s, 'stat', 'order/1', %s, %s, %s, %s,"
            " %s, %s, %s)",
            [
                *(self.sequence, given["id"], clock, given["site"], stopped - minutes * MINUTE, stopped),
                *(int(minutes * 60e6), int(600e6), minutes <= 10, given["revision"], given["retracted"]),
            ],
        )

    def feed(self, source: str, site: str, **counts: int) -> None:
        """What partition 0 saw of a feed."""
        given = {"events": 1000, "duplicates": 0, "unknown_types": 0, "dropped_fields": 0, "clock_skew": 0, **counts}
        self.connection.execute(
            "INSERT INTO feeds (source, site, partition, events, duplicates, unknown_types, dropped_fields, clock_skew,"
            " last_time, last_recorded) VALUES (%s, %s, 0, %s, %s, %s, %s, %s, now(), now())",
            [source, site, *given.values()],
        )

    def outcomes(self, rate: str, site: str, clean: int, late: int) -> None:
        """The outcomes of a minute of a rate."""
        self.connection.execute(
            "INSERT INTO outcomes (site, rate, entry, minute, partition, clean, errors, late_clean, late_errors)"
            " VALUES (%s, %s, 'e', now(), 0, %s, 0, %s, 0)",
            [site, rate, clean, late],
        )

    def report(self, folder: Path, site: str, period: str, html: str, revision: int = 1, **more: str) -> Path:
        """A report that was written into `folder`; its file. `path`: recorded under another one."""
        path = folder / site / f"{period}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, "utf-8")
        self.connection.execute(
            "INSERT INTO reports (kind, site, period, revision, digest, path) VALUES ('week', %s, %s, %s, 'd', %s)",
            [site, period, revision, more.get("path", str(path))],
        )
        return path

    def told(self) -> None:
        """The dispatcher looks at everything, and everything it sends is accepted."""
        at_desk = desk.Desk(self.policy, self.now - timedelta(hours=1), Voice("http://127.0.0.1"))
        desk.attend(self.connection, at_desk)
        desk.act(self.connection, at_desk)
        for one in deliveries.take(self.connection):
            deliveries.accepted(self.connection, one.key, "in the inbox")

    def summary(self, *signals: str) -> str:
        """One escalation about several signals that a stop kept back; its id."""
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.execute(f"SELECT {desk.SIGNAL} FROM signals WHERE id = ANY(%s)", [list(signals)])
            found = [signal_of(row) for row in cursor.fetchall()]
            ladder = self.policy.ladders[0]
            about = (SUMMARY, None, SUMMARY, "inpatient", ladder, found, self.now, "Still open after a stop")
            gather(cursor, *about)
            cursor.execute("UPDATE signals SET told = 'summary', attention = false WHERE id = ANY(%s)", [list(signals)])
            cursor.execute("SELECT id FROM escalations WHERE kind = 'summary'")
            row = cursor.fetchone()
        assert row is not None
        self.told()
        return row[0]

    def escalation(self, signal: str) -> str:
        """The id of the escalation about a signal."""
        row = self.connection.execute("SELECT id FROM escalations WHERE signal = %s", [signal]).fetchone()
        assert row is not None
        return row[0]


def a_late_order(story: Story) -> str:
    """A STAT order that waited for an answer, was verified too late and is not prepared yet; its id."""
    told = {"priority": "stat", "setting": "inpatient"}
    return story.lived(
        story.event("order.entered", 58, actor="a_91c0", station="ward-4", **told),
        story.event("order.intervention.opened", 50, reason="dose", links={"intervention": "i1"}),
        story.event("order.intervention.resolved", 41, links={"intervention": "i1"}),
        story.event("order.verification.started", 33, recorded=12, station="ws-12"),
        story.event("order.verified", 20, actor="a_77de", role="pharmacist", station="ws-12"),
    )


def a_shift(database_url: str) -> Story:
    """A hospital and a store in the middle of a shift: work waits, some of it is late, people were told."""
    story = Story(database_url)
    story.read(0, story.now)
    number = 0
    for site, kind, waits, priority, pace, count, minutes in _WORK:
        for _ in range(count):
            number += 1
            story.case(f"{kind}/{number}", waits, priority, minutes * number / 60 + 1, pace, site=site)
    story.signal("stat-verified", 1, 3, case=a_late_order(story))
    story.signal("sold-before-final-check", 1, 1, kind="rule", site="elm", case="fill/0b77")
    story.signal("order-to-verified", 3, 12, case="order/77aa")
    story.signal("/mercy/pis", 2, 2, kind="feed", case=None)
    story.told()
    for days in range(14):
        for minutes in (4, 6, 9, 12 + days):
            story.interval("stat-verified", days + 0.5, minutes)
            story.interval("order-to-verified", days + 0.5, minutes * 5, site="mercy")
    story.feed("/mercy/pis", "mercy", events=41_200, duplicates=12, unknown_types=3, dropped_fields=40, clock_skew=1)
    story.feed("/elm/pos", "elm")
    story.outcomes("returned-to-entry", "elm", clean=30, late=10)
    return story


_WORK = (
    ("mercy", "order", "verify", "stat", "late", 2, 30),
    ("mercy", "order", "verify", "stat", "on_time", 3, 4),
    ("mercy", "order", "verify", "urgent", "at_risk", 4, 20),
    ("mercy", "order", "verify", "routine", "on_time", 31, 50),
    ("mercy", "order", "prepare", "routine", "on_time", 22, 40),
    ("mercy", "order", "prepare", "stat", "at_risk", 1, 9),
    ("mercy", "order", "check", "routine", "on_time", 9, 15),
    ("mercy", "order", "deliver", "prn", "on_time", 12, 70),
    ("mercy", "order", "administer", "routine", "on_time", 140, 90),
    ("elm", "fill", "entry", "", "on_time", 6, 20),
    ("elm", "fill", "fill", "", "late", 1, 200),
    ("elm", "fill", "check", "waiting", "on_time", 3, 12),
    ("elm", "fill", "ready", "", "on_time", 44, 2000),
    ("oak", "fill", "claim", "", "at_risk", 2, 60),
    ("oak", "fill", "ready", "", "on_time", 18, 900),
)
