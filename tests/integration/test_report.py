"""The weekly report over a real store: its figures are the store's, it is written once, late facts make a revision."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from metrics.turnaround import quantile
from models import policy_text
from models.event import Site
from models.period import Week
from models.policy import Policies
from models.store.connecting import connect
from models.store.facts import snapshot
from models.store.ledger import Advance, Batch, IntervalFact
from models.store.policies import begin
from models.store.reporting import Reporting, Window, all_written, reporting
from models.store.sql import SqlLedger
from rxpulse.status import store_figures
from streams.simulate import SiteSpec, simulate
from tests.history import CLUSTER, load
from workflows.publish import Waiting, asked_for, edition, write_due
from workflows.report import zone_of

ZONE = "America/New_York"
BEGAN = datetime(2025, 1, 6, 5, tzinfo=UTC)
NOW = BEGAN + timedelta(days=23, hours=10)
"""A Wednesday. Reports are asked for then: by the machine's time another week may become the last one at any moment."""
PARSED = policy_text.read(
    f"""
extends = ["inpatient", "retail"]
[site.mercy]
name = "Mercy Hospital"
setting = "inpatient"
timezone = "{ZONE}"
""",
    file="test",
)


@pytest.fixture
def lived(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store in which a small hospital has lived for three weeks and some days, from a Monday up to NOW, so that its
    story is the same whenever the tests run."""
    monkeypatch.setattr(Reporting, "now", lambda _: NOW)
    begin(database_url, PARSED, "test")
    pharmacies = simulate([SiteSpec("mercy", "inpatient", volume=0.05)], BEGAN, 3)
    load(database_url, Policies.only(PARSED.policy), takewhile(lambda event: event.recorded < NOW, pharmacies), NOW)
    return database_url


def _rows(url: str, query: str, *values: object) -> list[tuple[object, ...]]:
    with connect(url, "test", autocommit=True) as connection:
        return connection.execute(query, values).fetchall()  # type: ignore[arg-type]


def _last(url: str) -> Week:
    with reporting(url) as store:
        return Week.reported_at(ZONE, store.now())


def _correct(url: str) -> None:
    """Late evidence: a turnaround of the last week took an hour longer than was known."""
    week = _last(url)
    with snapshot(url) as facts:
        one = next(one for one in facts.intervals() if week.begins(ZONE) <= one.stopped < week.ends(ZONE))
    ledger = SqlLedger(url, "w0")
    (claim,) = ledger.claim(CLUSTER, [0], "w0")
    late = structs.replace(one, net=one.net + timedelta(hours=1), revision=one.revision + 1)
    moved = Advance(0, claim.epoch, claim.position, claim.position, claim.sequence + 1, 0)
    ledger.commit(Batch([moved], intervals=[IntervalFact(0, claim.sequence, claim.position, late)]))
    ledger.close()


def test_the_figures_are_those_of_the_stores_intervals(lived: str) -> None:
    _correct(lived)
    report = asked_for(lived, "mercy", None).report
    with snapshot(lived) as facts:
        intervals = list(facts.intervals())
    for back, part in ((0, "this"), (1, "before")):
        week = report.week.before(back)
        done: dict[str, list[float]] = {}
        met: dict[str, list[bool]] = {}
        for one in intervals:
            if week.monday <= one.stopped.astimezone(ZoneInfo(ZONE)).date() <= week.sunday:
                done.setdefault(one.clock, []).append(one.net / timedelta(minutes=1))
                if one.in_target is not None:
                    met.setdefault(one.clock, []).append(one.in_target)
        found = {one.name: lengths for one in report.measures if (lengths := getattr(one, part)) is not None}
        assert set(found) == set(done) and len(done) > 5
        for name, lengths in found.items():
            ordered, verdicts = sorted(done[name]), met.get(name, [])
            assert lengths.n == len(ordered) and lengths.due == len(verdicts)
            assert lengths.in_target == (sum(verdicts) / len(verdicts) if verdicts else None)
            assert lengths.median == pytest.approx(quantile(ordered, 0.5), rel=1e-12)
            assert lengths.p90 == pytest.approx(quantile(ordered, 0.9), rel=1e-12)


def test_the_signals_and_errors_counted_are_the_stores(lived: str) -> None:
    report = asked_for(lived, "mercy", None).report
    span = (report.week.begins(ZONE), report.week.ends(ZONE))
    (signals,) = _rows(
        lived,
        "SELECT count(*) FROM signals WHERE raised >= %s AND raised < %s AND reason IS DISTINCT FROM 'disproof'",
        *span,
    )
    missed = sum(bar.count for bar in report.causes)
    warned = sum(bar.cause.warned for bar in report.causes) + sum(one.warned for one in report.only_warned)
    assert missed + warned == signals[0] and missed and warned
    (errors,) = _rows(lived, "SELECT sum(errors + late_errors) FROM outcomes WHERE minute >= %s AND minute < %s", *span)
    assert sum(one.errors for one in report.rates) == errors[0] and errors[0]


def test_the_same_facts_give_the_same_bytes_and_are_written_once(lived: str, tmp_path: Path) -> None:
    written = write_due(lived, tmp_path, "mercy")
    assert isinstance(written, list)
    (one,) = written
    file = Path(one.path)
    assert file == tmp_path / "mercy" / f"{_last(lived).label}.html" and one.revision == 1
    before = file.stat().st_mtime_ns
    assert write_due(lived, tmp_path, "mercy") == []
    assert file.stat().st_mtime_ns == before
    assert asked_for(lived, "mercy", None).html == file.read_text("utf-8")


def test_facts_known_later_make_one_revision_that_says_so(lived: str, tmp_path: Path) -> None:
    write_due(lived, tmp_path, "mercy")
    _correct(lived)
    written = write_due(lived, tmp_path, "mercy")
    assert isinstance(written, list)
    assert [(one.period, one.revision) for one in written] == [(_last(lived).label, 2)]
    assert "Revision 2." in Path(written[0].path).read_text("utf-8")
    assert write_due(lived, tmp_path, "mercy") == []
    with connect(lived, "test") as connection:
        assert [one.revision for one in all_written(connection)] == [2]


def test_what_an_outage_left_out_is_written_when_it_is_over(lived: str, tmp_path: Path) -> None:
    last = _last(lived)
    with reporting(lived) as store:
        store.lock("mercy")
        policies = store.policies()
        assert policies is not None
        old = edition(store, policies, Site("mercy"), last.before(2))
    _rows(
        lived,
        "INSERT INTO reports (kind, site, period, revision, digest, path) VALUES ('week', 'mercy', %s, 1, %s, 'gone')"
        " RETURNING 1",
        last.before(2).label,
        old.digest,
    )
    written = write_due(lived, tmp_path, "mercy")
    assert isinstance(written, list)
    # The old one is the same, but its file is no longer where it was.
    assert [(one.period, one.revision) for one in written] == [
        (last.before(2).label, 1),
        (last.before(1).label, 1),
        (last.label, 1),
    ]


def test_no_report_is_written_before_its_facts_are_all_read(lived: str, tmp_path: Path) -> None:
    early = _last(lived).reported(ZONE) - timedelta(seconds=1)
    _rows(lived, "UPDATE positions SET recorded = %s, judged = %s RETURNING 1", early, early)
    assert write_due(lived, tmp_path, "mercy") == Waiting("the events recorded up to then are not all read yet")
    assert not list(tmp_path.iterdir())


def test_no_report_is_written_while_history_from_before_it_still_comes_in(lived: str, tmp_path: Path) -> None:
    """However far silence was listened to meanwhile."""
    early = _last(lived).reported(ZONE) - timedelta(seconds=1)
    came = "UPDATE feeds SET last_recorded = %s, heard = now() - %s WHERE site = 'mercy' RETURNING 1"
    _rows(lived, came, early, timedelta(seconds=110))
    assert write_due(lived, tmp_path, "mercy") == Waiting("events recorded before then still come in")
    _rows(lived, came, early, timedelta(seconds=130))
    assert not isinstance(write_due(lived, tmp_path, "mercy"), Waiting)


def test_no_report_is_written_before_its_rates_are_judged(lived: str, tmp_path: Path) -> None:
    since = _last(lived).begins(ZONE)
    _rows(lived, "INSERT INTO touched (site, rate, entry, since) VALUES ('mercy', 'r', 'e', %s) RETURNING 1", since)
    assert write_due(lived, tmp_path, "mercy") == Waiting("its rates are not judged yet")


def test_a_case_that_was_open_at_the_weeks_end_stays_so_when_it_gets_worse_or_ends_later(lived: str) -> None:
    with reporting(lived) as store:
        policies = store.policies()
        assert policies is not None
        seen = Window.of("mercy", zone_of(policies, "mercy"), _last(lived))
        before = store.facts(seen)
    (worst,) = _rows(
        lived,
        "SELECT id FROM signals WHERE cleared IS NULL AND kind = 'rule' AND raised < %s ORDER BY raised LIMIT 1",
        seen.ends,
    )
    changes = (
        "INSERT INTO signal_changes (partition, sequence, position, id, kind, name, severity, site, case_id, raised, known,"
        " cleared, reason, revision) SELECT partition, 900000 + %s, position, id, kind, name, 1, site, case_id, %s, known,"
        " %s, %s, revision + %s FROM signal_changes WHERE id = %s AND revision = 1 RETURNING 1"
    )
    _rows(lived, changes, 1, seen.ends + timedelta(minutes=1), None, None, 1, worst[0])
    _rows(lived, changes, 2, seen.ends + timedelta(minutes=1), seen.ends + timedelta(minutes=2), "person", 2, worst[0])
    with reporting(lived) as store:
        assert store.facts(seen).still_open == before.still_open
        assert store.facts(seen).open_total == before.open_total > 0


def test_what_was_open_is_said_with_its_case_when_that_has_left_the_store(lived: str) -> None:
    with reporting(lived) as store:
        policies = store.policies()
        assert policies is not None
        seen = Window.of("mercy", zone_of(policies, "mercy"), _last(lived))
        before = store.facts(seen).still_open
    case = next(one.case for one in before if one.case is not None)
    with connect(lived, "test", autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE kept AS SELECT * FROM cases")
        connection.execute("DELETE FROM cases WHERE id = %s", [case])
        connection.execute(
            "INSERT INTO departures SELECT id, partition, 1, site, priority, opened, opened FROM kept WHERE id = %s",
            [case],
        )
        with reporting(lived) as store:
            assert store.facts(seen).still_open == before
        connection.execute("INSERT INTO cases SELECT * FROM kept WHERE id = %s", [case])


def test_alarms_are_counted_up_to_six_hours_after_the_week(lived: str) -> None:
    week = _last(lived)
    ends = week.ends(ZONE)
    escalation = (
        "INSERT INTO escalations (id, kind, name, severity, site, setting, title, ladder, state, opened, about)"
        " VALUES (%s, 'clock', 'stat-verified', 2, 'mercy', 'inpatient', 't', 'l', 'open', %s, '{}') RETURNING 1"
    )
    entry = "INSERT INTO escalation_entries (escalation, number, at, entry) VALUES (%s, 1, %s, %s) RETURNING 1"
    delivery = (
        "INSERT INTO deliveries (key, escalation, type, step, loop, person, channel, state, gives_up, last_attempt, message)"
        " VALUES (%s, %s, 'page', 1, 1, 'p', 'inbox', %s, now(), %s, '{}') RETURNING 1"
    )
    for name, opened, answered in (
        ("quick", ends - timedelta(hours=2), 60),
        ("late", ends - timedelta(hours=1), 30_000),
    ):
        _rows(lived, escalation, name, opened)
        _rows(lived, entry, name, opened + timedelta(seconds=answered), '{"entry": "acknowledged", "person": "p"}')
        _rows(lived, delivery, f"d-{name}", name, "sent" if name == "quick" else "refused", opened)
    _rows(lived, escalation, "next-week", ends)
    telling = asked_for(lived, "mercy", week.label).report.facts.telling
    assert (telling.opened, telling.told, telling.acknowledged, telling.exhausted) == (2, 1, 1, 0)
    assert (telling.median, telling.p90) == (60.0, 60.0)


def test_status_lists_the_latest_report_of_each_week(lived: str, tmp_path: Path) -> None:
    from models.settings import Secret

    assert store_figures(Secret(lived))["reports"] == []
    write_due(lived, tmp_path, "mercy")
    week = _last(lived).label
    path = str(tmp_path / "mercy" / f"{week}.html")
    assert store_figures(Secret(lived))["reports"] == [
        {"kind": "week", "site": "mercy", "period": week, "path": path, "revision": 1}
    ]


def _run(url: str, home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("RXPULSE_")}
    env |= {"RXPULSE_HOME": str(home), "RXPULSE_DATABASE_URL": url}
    command = [sys.executable, "-m", "rxpulse", "report", "week", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_writes_the_file_and_says_its_figures(lived: str, tmp_path: Path) -> None:
    # The command goes by the machine's time.
    asked = ("--site", "mercy", "--period", _last(lived).label)
    found = _run(lived, tmp_path / "home", *asked, "--out", str(tmp_path / "out"), "--json")
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout)
    assert Path(said["path"]).read_text("utf-8") == asked_for(lived, "mercy", said["period"]).html
    assert {one["clock"]: one["n"] for one in said["measures"]}["order-to-verified"] > 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--site", "nowhere"], "there are mercy"),
        (["--site", "mercy", "--period", "2026-46"], "such as 2026-W46"),
        (["--site", "mercy", "--period", "2290-W01"], "is not over"),
    ],
)
def test_what_cannot_be_reported_is_refused_with_the_reason(
    database_url: str, tmp_path: Path, arguments: list[str], said: str
) -> None:
    begin(database_url, PARSED, "test")
    found = _run(database_url, tmp_path / "home", *arguments, "--out", str(tmp_path / "out"))
    assert found.returncode == 2 and said in found.stderr and "Traceback" not in found.stderr
    assert not (tmp_path / "out").exists()
