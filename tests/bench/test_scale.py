"""How growth is measured: which rows there are, what is sent, what is counted on the disk, and one tiny run of each."""

import os
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from models.policy_text import read
from models.settings import Settings
from models.store.measuring import Gauge
from models.wire import Decoded, decode
from rxpulse.bench import crowd, scale
from rxpulse.bench.crowd import STAGES, Stage, deadline, orders
from rxpulse.bench.files import START
from rxpulse.bench.measurements import EVERY, MEASUREMENTS, SCALE, chosen
from rxpulse.bench.rows import Row, shown
from rxpulse.bench.scale import SHARED, Shared
from rxpulse.cli import main
from rxpulse.commands.bench import table

CACHE = Settings.from_env(os.environ).cache
MACHINE = {"cores": 2, "memory_gib": 8.0, "load_before": 0.1}
READINGS = ("replay-stores", "replay-year")
NO_RATIOS = {"ratios": {}, "warm_ratios": {}, "cpu_ratios": {}, "latency_ratios": {}}


def quiet(_: str) -> None:
    pass


def test_growth_is_measured_only_where_it_is_asked_for() -> None:
    assert not set(chosen([], {})) & SCALE.keys()
    assert chosen([], {}, with_scale=True) == list(SCALE)
    assert chosen(["durable"], {}, with_scale=True) == ["durable", *SCALE]
    assert chosen(["open-1m"], {}) == ["open-1m"]
    assert SCALE.keys() >= {"w1-p8", "w2-p32", "w4-p128", "open-10k", "open-2m", "start-1m", "due-1m", "replay-year"}
    assert {*crowd.NAMES, *(shape.name for shape in SHARED), *READINGS} == SCALE.keys()


def test_the_help_names_every_row_of_growth() -> None:
    said = CliRunner().invoke(main, ["bench", "--help"]).stdout
    assert all(name in said for name in (SHARED[0].name, SHARED[-1].name, *crowd.NAMES, *READINGS))


def test_a_store_is_filled_no_further_than_the_rows_need() -> None:
    assert crowd.chosen(["open-100k", "start-1m"]) == [Stage(100_000, "open-100k"), Stage(1_000_000, None, "start-1m")]
    assert crowd.chosen(MEASUREMENTS) == []
    assert [stage.cases for stage in STAGES] == sorted(stage.cases for stage in STAGES)


def test_orders_are_events_of_our_own_format_one_a_case() -> None:
    found = [decode(record, None) for _, record in orders(range(3), START, timedelta(seconds=1))]
    assert all(isinstance(one, Decoded) and one.dropped == 0 for one in found)
    events = [one.event for one in found if isinstance(one, Decoded)]
    assert [one.time - START for one in events] == [timedelta(seconds=number) for number in range(3)]
    assert len({one.subject for one in events}) == len({one.id for one in events}) == 3


def test_the_deadline_of_an_order_is_that_of_the_shipped_policy() -> None:
    assert deadline() == timedelta(hours=2)


def test_what_a_topic_takes_on_the_disk_is_the_sum_of_its_partitions(tmp_path: Path) -> None:
    for partition in ("rx.events-0", "rx.events-11", "rx.signals-0", "__consumer_offsets-0"):
        (tmp_path / partition).mkdir()
        (tmp_path / partition / "0.log").write_bytes(b"x" * 100_000)
    found = scale._topics(tmp_path)
    assert found.keys() == {"rx.events", "rx.signals"}
    assert found["rx.events"] == 2 * found["rx.signals"] >= 200_000


def test_the_store_is_measured_table_by_table(database_url: str) -> None:
    gauge = Gauge(database_url)
    before = gauge.log_bytes()
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO positions (partition, cluster) VALUES (3, 'c')")
        connection.execute(
            "INSERT INTO cases (id, partition, site, kind, priority, since, opened, pace, body, look) SELECT"
            " 'order/' || n, 3, 's', 'order', '', now(), now(), 'on_time', '', now() + (n - 4) * interval '1 min'"
            " FROM generate_series(1, 9) n"
        )
    found = {one.name: one for one in gauge.tables()}
    assert found["cases"].rows == 9 and found["cases"].bytes > 0 and found["positions"].rows == 1
    assert gauge.overdue() == 3
    assert gauge.log_bytes() > before
    gauge.close()


def test_a_table_in_parts_counts_with_them(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE parted (n int) PARTITION BY RANGE (n)")
        connection.execute("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (9999)")
        connection.execute("INSERT INTO parted SELECT generate_series(0, 5000)")
    gauge = Gauge(database_url)
    found = {one.name: one for one in gauge.tables()}
    assert found["parted"].rows == 5001 and found["parted"].bytes > 100_000 and "parted_1" not in found
    gauge.close()


def test_the_table_tells_of_the_start_and_of_the_disk() -> None:
    start = Row(name="start-1m", wall_s=2.5, ready_s=2.25, rss_mib=100.0, cpu_s={"worker": 1.5})
    year = Row(name="replay-year", events=9, events_per_s=9.0, bytes_per_event={"kafka/rx.events": 95.4, "x": 0.2})
    rows = [shown(row, [row], EVERY[row.name].figure, EVERY[row.name].wanted) for row in (start, year)]
    printed = table({"machine": MACHINE, "rows": rows, **NO_RATIOS})
    assert "ready after 2.25 s; resident 100 MiB" in printed and "CPU s: worker 1.5" in printed
    assert "bytes an event: kafka/rx.events 95\n" in printed + "\n" and "MISSED" in printed


@pytest.mark.parametrize("reading", [scale.stores(9), scale.year(9)])
def test_what_is_read_again_is_judged_by_a_policy_without_a_fault(reading: scale.Reading) -> None:
    assert read(reading.policy).policy.clocks


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_workers_share_what_is_sent() -> None:
    row = scale.shared(Shared(2, 32), 2000, os.environ, CACHE, quiet)
    assert row.name == "w2-p32" and row.events == 2000 and row.ready_s is not None and row.ready_s > 0
    assert row.cpu_s_per_million.keys() == {"worker", "kafka", "postgres"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_open_cases_are_opened_sent_to_and_started_over() -> None:
    rows = crowd.measure([Stage(300, "open-10k"), Stage(900, "open-1m", "start-1m")], os.environ, quiet)
    few, many, start = rows
    assert (few.name, few.events, many.name, many.events) == ("open-10k", 300, "open-1m", 900)
    assert start.name == "start-1m" and start.ready_s is not None and start.wall_s is not None
    assert 0 < start.ready_s <= start.wall_s and start.cpu_s["worker"] > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_missed_deadlines_are_all_judged_by_the_worker_that_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "_TRIED", 2000)
    monkeypatch.setattr(crowd, "_AT_LEAST", 5.0)
    monkeypatch.setattr(crowd, "_MISSED_WITHIN", timedelta(seconds=1))
    row = crowd.due(5000, os.environ, quiet)
    assert row.name == "due-1m" and row.events == 5000 and row.wall_s is not None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_year_is_read_again_and_what_it_leaves_behind_is_counted() -> None:
    row = scale.read_again(scale.year(3000), os.environ, CACHE, quiet)
    assert row.events == 3000 and row.bytes_per_event["kafka/rx.events"] > 50
    # What is told of one interval is told again of the next: without compression they took 370.
    assert row.bytes_per_event["kafka/rx.intervals"] < 250
    assert row.rows_per_event["cases"] > 0.01 and row.bytes_per_event["postgres/cases"] > 50
