"""Whether what people ask gets slower with years of facts: a store filled with so many days, and the time of each question.

    .venv/bin/python tools/growth.py postgresql://user:password@host:port/EMPTY_DATABASE DAYS [TURNAROUND TIMES A DAY]

Rows are invented in the database itself and lie evenly over the days up to now: three sites, twenty clocks, three in a
hundred corrected later; beside them a signal for twenty of them, a case for ten, and trials of five rates each minute. Each
question is asked six times; printed is the median of the last five, in milliseconds.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from time import perf_counter
from typing import Any

import psycopg

from models import policy_text, store
from models.event import CaseId, Event, EventType, Source
from models.period import Week
from models.policy import Policies
from models.store import lists, quality, reporting, turnarounds
from models.store.casebook import casefile
from models.store.console import ConsoleStore
from models.store.figures import figures
from models.store.policies import begin
from models.store.records import case_row
from models.store.rights import EVERYTHING
from models.store.soundness import soundness
from models.store.sql import SqlLedger
from models.tracking import Watched, track

ROUNDS = 6
_INTERVALS = """
INSERT INTO intervals (partition, sequence, position, id, clock, site, priority, case_id, started, stopped, net, target,
                       in_target, revision, retracted)
SELECT n % 8, n / 8 * 2 + revision - 1, n / 8, md5(n::text), 'clock-' || n % 20, 'site-' || n % 3, 'routine',
    'order/' || md5((n / 10)::text), at - make_interval(mins => n % 90), at, (n % 90) * 60000000::int8, 1800000000,
    n % 90 <= 30, revision, false
FROM (SELECT n, now() - make_interval(secs => (%(rows)s - n) * 86400.0 / %(day)s) AS at, generate_series(1,
    CASE WHEN n %% 33 = 0 THEN 2 ELSE 1 END) AS revision FROM generate_series(1, %(rows)s) n) s ORDER BY n
""".replace(" % ", " %% ")
_CHANGES = """
INSERT INTO signal_changes (partition, sequence, position, id, kind, name, severity, site, case_id, raised, known, cleared,
                            reason, revision)
SELECT n %% 8, 1000000000 + n * 2 + revision, n, md5(n::text), 'clock', 'clock-' || n %% 20, 2, 'site-' || n %% 3,
    'order/' || md5((n * 2)::text), at, at, CASE WHEN revision = 2 THEN at + interval '20 minutes' END,
    CASE WHEN revision = 2 THEN 'stop' END, revision
FROM (SELECT n, now() - make_interval(secs => (%(rows)s / 20 - n) * 1728000.0 / %(day)s) AS at,
    generate_series(1, CASE WHEN n %% 500 = 0 THEN 1 ELSE 2 END) AS revision
    FROM generate_series(1, %(rows)s / 20) n) s
"""
_SIGNALS = """
INSERT INTO signals (id, kind, name, severity, site, case_id, raised, known, cleared, reason, revision, told, attention)
SELECT DISTINCT ON (id) id, kind, name, severity, site, case_id, raised, known, cleared, reason, revision, 'yes', false
FROM signal_changes ORDER BY id, revision DESC
"""
_CASES = """
INSERT INTO cases (id, partition, site, kind, priority, waits, since, opened, finished, look, pace, body)
SELECT 'order/' || md5(n::text), n %% 8, 'site-' || n %% 3, 'order', 'routine',
    CASE WHEN n > %(rows)s / 10 - 2000 THEN 'verify' END, at, at,
    CASE WHEN n <= %(rows)s / 10 - 2000 THEN at + interval '1 hour' END, NULL, 'fine', %(body)s
FROM (SELECT n, now() - make_interval(secs => (%(rows)s / 10 - n) * 864000.0 / %(day)s) AS at
    FROM generate_series(1, %(rows)s / 10) n) s
"""
_OUTCOMES = """
INSERT INTO outcomes (site, rate, entry, minute, partition, clean, errors)
SELECT 'site-' || n %% 3, 'rate-' || n %% 5, 'entry', date_trunc('minute', now()) - make_interval(mins => (n * 3)::int), n %% 8,
    1, (n %% 40 = 0)::int FROM generate_series(1, %(days)s * 480) n
"""


def fill(connection: "psycopg.Connection[Any]", days: int, daily: int) -> None:
    """Fills an empty store whose tables are there."""
    asked = {"rows": days * daily, "day": daily, "days": days, "body": _body()}
    for number in range(8):
        connection.execute(
            "INSERT INTO positions (partition, cluster, position, sequence, published, recorded, judged) VALUES"
            " (%s, 'c', 1, 1000000000000, 1000000000000, now(), now())",
            [number],
        )
    connection.execute(
        "INSERT INTO feeds (source, site, partition, last_time, last_recorded)"
        " SELECT '/a', 'site-' || n, 0, now(), now() FROM generate_series(0, 2) n"
    )
    for statement in (_INTERVALS, _CHANGES, _SIGNALS, _CASES, _OUTCOMES):
        connection.execute(statement, asked)
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM (ANALYZE)")


def _body() -> bytes:
    """A case as it is kept, of one event."""
    case, at = CaseId("order/1"), datetime(2026, 1, 1, tzinfo=UTC)
    event = Event(
        "1", Source("/a"), EventType("rx.order.entered"), at, at, case, {"site": "site-1", "setting": "inpatient"}
    )
    policies = Policies.only(policy_text.shipped_default().policy)
    return case_row(track(Watched(case), event, policies).case, 0, None).body


def questions(url: str, connection: "psycopg.Connection[Any]") -> dict[str, Callable[[], object]]:
    """What people and programs ask."""
    policies = Policies.only(policy_text.shipped_default().policy)
    [now] = connection.execute("SELECT now()").fetchone() or (None,)
    week = Week.reported_at("UTC", now)
    window = reporting.Window.of("site-1", "UTC", week)
    earlier = reporting.Window.of("site-1", "UTC", week.before(2))
    shown = ConsoleStore(url)
    ledger = SqlLedger(url, "growth")
    reports = reporting.Reporting(connection)
    [case] = connection.execute("SELECT id FROM cases ORDER BY since DESC LIMIT 1").fetchone() or ("",)
    view = "SELECT clock, percentile_cont(0.5) WITHIN GROUP (ORDER BY net_seconds) FROM grafana.turnarounds"
    return {
        "turnaround of two weeks, all sites (console)": lambda: turnarounds.turnarounds(connection, EVERYTHING),
        "days of one clock (console)": lambda: turnarounds.days(connection, "clock-3", {}, EVERYTHING),
        "chart of one clock, eight weeks": lambda: reporting.turnaround(connection, window, "clock-3"),
        "weekly report, all its figures": lambda: reports.facts(window),
        "weekly report of two weeks before": lambda: reports.facts(earlier),
        "corrections and turnaround of the report alone": lambda: reporting.turnaround(connection, window),
        "Grafana: seven days": lambda: connection.execute(
            f"{view} WHERE stopped >= now() - interval '7 days' AND stopped < now() GROUP BY 1"
        ).fetchall(),
        "facts feed after a claim": lambda: ledger.facts(3, 999_999_000_000),
        "board": lambda: shown.view(),
        "case page": lambda: casefile(connection, case, policies, EVERYTHING),
        "signals of a case": lambda: lists.signals(connection, lists.Asked(lists.Shown.ALL, case="order/none")),
        "newest signals": lambda: lists.signals(connection, lists.Asked(lists.Shown.ALL), 100),
        "page of data quality": lambda: quality.quality(connection, EVERYTHING),
        "status": lambda: figures(url),
        "doctor": lambda: soundness(url),
    }


def main(url: str, days: int, daily: int) -> None:
    store.migrate(url)
    begin(url, policy_text.shipped_default(), "growth")
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT count(*) FROM positions").fetchone() == (0,):
            fill(connection, days, daily)
        connection.commit()
        connection.autocommit = True
        for what, ask in questions(url, connection).items():
            took: list[float] = []
            for _ in range(ROUNDS):
                begun = perf_counter()
                ask()
                took.append((perf_counter() - begun) * 1000)
            print(f"{what:<50} {median(took[1:]):>10.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 3650)
