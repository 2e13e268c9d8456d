"""Turnaround times leave by the month, and whatever looked at them stays truthful: pages, reports, verify, a reset."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from click.testing import CliRunner

from metrics.recorder import MemoryRecorder
from models import policy_text
from models.errors import CallerFault, UsageFault
from models.keeping import Month
from models.settings import Secret
from models.store import months as keeping
from models.store.auditing import Wanted, lines
from models.store.connecting import connect
from models.store.facts import snapshot
from models.store.ledger import Advance, Batch, IntervalFact
from models.store.months import LEFT, WHO, Drawer, let_leave, make_months
from models.store.policies import begin
from models.store.rebuilding import forget_facts
from models.store.sql import SqlLedger
from models.wire import stamp
from rxpulse.cli import main
from rxpulse.status import store_figures
from streams.verify import Verified, uncounted, verify
from tests.conftest import RunningStack
from tests.console import Served
from tests.integration.test_months import CLUSTER, COLUMNS, NOW, THIS, batch, months, reading, rows, where
from tests.live import Live, living, now, stat, until
from workflows.housekeeping import House, keep_house, overdue
from workflows.publish import asked_for

TWO_YEARS = timedelta(days=731)
OLD = THIS.after(-26)
POLICY = policy_text.read(
    'extends = ["inpatient"]\n[site.mercy]\nsetting = "inpatient"\ntimezone = "UTC"\n', file="test"
)


def ids(url: str) -> list[str]:
    return [f"{name}.{revision}" for name, revision in rows(url, "SELECT id, revision FROM intervals ORDER BY 1, 2")]


@pytest.fixture
def aged(database_url: str) -> str:
    """A store with readings of this month and of two years ago, one of them moved by a correction each way."""
    begin(database_url, POLICY, "test")
    ledger = SqlLedger(database_url, "w0")
    ledger.claim(CLUSTER, [0], "w0")
    old = OLD.begins + timedelta(days=9)
    older = OLD.after(-30).begins
    ledger.commit(batch(0, 0, reading(old, "old"), reading(old, "later"), reading(NOW, "new"), reading(NOW, "earlier")))
    ledger.commit(batch(1, 4, reading(NOW, "later", 2), reading(old, "earlier", 2), reading(older, "oldest")))
    ledger.close()
    # In order. Where a month has ended since the store was made, one to come is made after them.
    assert make_months(database_url)[:2] == [OLD.after(-30), OLD]
    return database_url


def test_without_a_setting_nothing_leaves(aged: str) -> None:
    before = ids(aged)
    assert let_leave(aged, None) == []
    assert ids(aged) == before and months(aged).since is None and months(aged).done is not None


def test_a_month_leaves_whole_with_a_line_in_the_audit_and_says_since_when_is_kept(aged: str) -> None:
    assert [one.month for one in months(aged).leaving(TWO_YEARS)] == [OLD.after(-30), OLD]
    assert let_leave(aged, TWO_YEARS) == [OLD.after(-30), OLD]
    assert ids(aged) == ["later.2", "new.1"]
    left = months(aged)
    assert left.since == Month.of(left.now - TWO_YEARS).begins
    assert OLD not in [one.month for one in left.months] and left.leaving(TWO_YEARS) == []
    with connect(aged, "test") as connection:
        for month in (OLD.after(-30), OLD):
            [line] = lines(connection, Wanted(what=LEFT, about=month.label), 10)
            assert line.person == WHO
    assert let_leave(aged, TWO_YEARS) == [] and let_leave(aged, None) == []
    assert months(aged).since == left.since


def test_where_nothing_is_old_nothing_is_said_to_have_left(database_url: str) -> None:
    assert let_leave(database_url, TWO_YEARS) == []
    assert months(database_url).since is None and months(database_url).done is not None


def test_a_clock_that_runs_years_ahead_lets_nothing_leave_that_the_right_one_would_keep(
    aged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as wrong:
        wrong.setattr(keeping, "_SEAT", keeping._SEAT.replace("now()", "now() + interval '20 years'", 1))
        assert months(aged).now > NOW + timedelta(days=7000)
        assert let_leave(aged, TWO_YEARS) == [OLD.after(-30), OLD]
    # The month of today is there, and what comes next is kept with it.
    assert ids(aged) == ["later.2", "new.1"]
    # As if this were the end of the last month in which something happened.
    assert months(aged).since == Month.of(THIS.ends - TWO_YEARS).begins


def test_a_late_reading_of_a_time_that_left_is_taken_and_leaves_by_the_next_night(aged: str) -> None:
    let_leave(aged, TWO_YEARS)
    ledger = SqlLedger(aged, "w1")
    [claim] = ledger.claim(CLUSTER, [0], "w1")
    late = batch(2, 7, reading(OLD.begins, "late"), reading(OLD.begins, "new", 2))
    ledger.commit(type(late)([type(late.advances[0])(0, claim.epoch, 2, 3, 9, 0)], intervals=late.intervals))
    ledger.close()
    assert where(aged)["rest"] == 2
    assert OLD not in make_months(aged)
    let_leave(aged, TWO_YEARS)
    # The reading that the late evidence put right goes with it: it would count again.
    assert ids(aged) == ["later.2"]


def test_nothing_leaves_while_somebody_reads_and_all_of_it_afterwards(
    aged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "TRIES", 2)
    monkeypatch.setattr(keeping, "APART", 0.01)
    before = ids(aged)
    with psycopg.connect(aged) as reader:
        reader.execute("SELECT count(*) FROM intervals")
        with pytest.raises(CallerFault, match="in use"):
            let_leave(aged, TWO_YEARS)
        assert ids(aged) == before and months(aged).since is None
    assert let_leave(aged, TWO_YEARS) != []


def test_a_worker_writes_on_while_months_are_made_and_leave(aged: str) -> None:
    ledger, written = SqlLedger(aged, "w1"), 0
    [claim] = ledger.claim(CLUSTER, [0], "w1")
    house = Thread(target=keep_house, args=(aged, TWO_YEARS))
    # No month is there for it, and on every day of a month it is older than what is kept.
    long_ago = OLD.after(-1).begins
    # So much before the house is kept, for as long as it is, and so much afterwards.
    while written < 10 or house.is_alive() or written < 20:
        if written == 10:
            house.start()
        position, first = claim.position + written, claim.sequence + 2 * written
        facts = [reading(NOW, f"n{written}"), reading(long_ago, f"o{written}")]
        rows_of = [IntervalFact(0, first + n, position, one) for n, one in enumerate(facts)]
        ledger.commit(Batch([Advance(0, claim.epoch, position, position + 1, first + 2, 0)], intervals=rows_of))
        written += 1
    house.join()
    ledger.close()
    assert months(aged).since is not None
    keep_house(aged, TWO_YEARS)
    assert rows(aged, "SELECT count(*) FROM intervals WHERE id ~ '^n[0-9]'") == [(written,)]
    assert rows(aged, "SELECT count(*) FROM intervals WHERE stopped = %s", long_ago) == [(0,)]


def test_a_report_of_weeks_that_have_left_is_refused_with_the_day(aged: str) -> None:
    asked_for(aged, "mercy", "2023-W40")
    let_leave(aged, TWO_YEARS)
    since = months(aged).since
    assert since is not None
    with pytest.raises(UsageFault, match=f"turnaround times are kept from {since:%Y-%m-%d} on"):
        asked_for(aged, "mercy", "2023-W40")
    # Its own weeks are kept, those that its charts look back to are not.
    early = (since + timedelta(days=21)).isocalendar()
    with pytest.raises(UsageFault, match="looks back to"):
        asked_for(aged, "mercy", f"{early.year}-W{early.week:02}")
    whole = (since + timedelta(days=70)).isocalendar()
    asked_for(aged, "mercy", f"{whole.year}-W{whole.week:02}")


def test_the_page_of_data_quality_says_since_when(console: Served, database_url: str) -> None:
    said, browser = "Turnaround times are kept from", console.signed_in()
    assert said not in browser.get("/quality").text
    old = OLD.begins
    one = [0, 0, 0, "i", "c", "mercy", "", "order/1", old, old, 0, None, None, 1, False]
    rows(database_url, f"INSERT INTO intervals ({COLUMNS}) VALUES ({', '.join(['%s'] * 15)}) RETURNING 1", *one)
    let_leave(database_url, TWO_YEARS)
    since = months(database_url).since
    assert since is not None
    assert f"{said} {since:%Y-%m-%d} on" in browser.get("/quality").text


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, POLICY) as one:
        yield one


def verified(live: Live) -> Verified:
    with snapshot(live.database_url) as facts:
        return verify(live.settings, facts, uncounted)


def test_verify_says_what_it_can_check_and_facts_made_again_keep_to_it(live: Live) -> None:
    worker = live.worker()
    long_ago = OLD.begins + timedelta(days=3)
    for number, at in enumerate((long_ago, long_ago + timedelta(hours=1), now() - timedelta(hours=1))):
        live.send(stat(number, at), stat(number, at + timedelta(minutes=4), "order.verified"))
    live.await_applied()
    before = verified(live)
    assert before.differences == 0 and before.kept_since is None
    assert make_months(live.database_url)[:1] == [OLD]
    assert let_leave(live.database_url, TWO_YEARS) == [OLD]
    after = verified(live)
    assert after.differences == 0 and after.intervals == before.intervals / 3 and after.cases == before.cases
    said = CliRunner().invoke(main, ["verify"], env=live.env).stdout
    assert after.kept_since is not None and f"of before {after.kept_since:%Y-%m-%d} have left the store" in said
    written = CliRunner().invoke(main, ["export", "intervals", "--out", str(live.folder / "out.csv")], env=live.env)
    assert f"turnaround times are kept from {after.kept_since:%Y-%m-%d} on" in written.stderr
    held = store_figures(Secret(live.database_url))["turnaround"]
    assert held == {"kept_since": stamp(after.kept_since), "outside_months": 0}
    forget_facts(live.database_url)
    worker.process.wait(30)
    live.worker()
    live.await_applied()
    again = verified(live)
    assert again.differences == 0 and again.intervals == after.intervals and again.kept_since == after.kept_since
    until(lambda: where(live.database_url).get("rest") == before.intervals * 2 // 3, why=live.told)
    let_leave(live.database_url, TWO_YEARS)
    assert "rest" not in where(live.database_url)
    assert verified(live).differences == 0


@pytest.mark.anyio
async def test_the_role_keeps_house_where_prefect_does_not(aged: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def with_options(self, **_: object) -> Callable[[], Awaitable[None]]:
            return self.run

        async def run(self) -> None:
            raise ConnectionError

    monkeypatch.setattr("workflows.housekeeping.housekeeping", Away())
    recorder = MemoryRecorder()
    await House(aged, TWO_YEARS, recorder).look()
    assert ids(aged) == ["later.2", "new.1"]
    done = months(aged).done
    assert done is not None and abs(done - datetime.now(UTC)) < timedelta(minutes=1)
    assert recorder.values["rxpulse_reports_housekept_timestamp_seconds", ()] == done.timestamp()
    assert recorder.values["rxpulse_reports_outside_months_rows", ()] == 0.0


def test_house_is_kept_once_a_night_and_after_a_history_came_in(aged: str) -> None:
    let_leave(aged, None)
    found = months(aged)
    # Early in the month: on its last day a month more is wanted before a day has passed.
    early = Month.of(found.now).begins + timedelta(days=3)
    kept = replace(found, now=early, done=early)
    assert not overdue(kept)
    assert not overdue(replace(kept, now=kept.now + timedelta(hours=24)))
    assert overdue(replace(kept, now=kept.now + timedelta(hours=25)))
    assert overdue(replace(kept, done=None))
    later = kept.now + timedelta(hours=2)
    imported = replace(kept, rest={OLD.after(-3): 5})
    assert not overdue(imported) and overdue(replace(imported, now=later))
    grown = replace(kept, months=(*kept.months, Drawer(THIS.after(-60), 50_000)), now=later)
    assert overdue(replace(grown, counted=20_000)) and not overdue(replace(grown, counted=30_000))


def test_the_database_plans_by_all_months_together(aged: str) -> None:
    assert months(aged).counted == 0
    keep_house(aged, None)
    assert months(aged).counted == len(ids(aged))
