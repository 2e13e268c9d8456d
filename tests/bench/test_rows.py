"""Rows of measurements: what they hold, and how they are held against the figures wanted."""

import pytest

from rxpulse.bench.rows import Row, Sense, Wanted, latency, middle, ratios, shown, throughput
from rxpulse.commands.bench import table

FAST = Wanted("events_per_s", Sense.AT_LEAST, 20_000)


def test_cpu_seconds_are_given_for_a_million_events() -> None:
    row = throughput("durable", 200_000, 10.0, {"worker": 4.0, "postgres": 1.0}, 3 * 2**20)
    assert row.events_per_s == 20_000
    assert row.cpu_s_per_million == {"worker": 20.0, "postgres": 5.0}
    assert row.rss_mib == 3


def test_a_latency_is_given_in_milliseconds_with_its_tail() -> None:
    row = latency("page-latency", [0.3, 0.1, 0.2])
    assert (row.events, row.p50_ms, row.max_ms) == (3, pytest.approx(200), pytest.approx(300))
    assert row.p99_ms == pytest.approx(298)


def test_the_row_in_the_middle_is_one_that_was_measured() -> None:
    rounds = [Row(name="help", wall_s=seconds) for seconds in (0.4, 0.1, 0.2)]
    assert middle(rounds, "wall_s") is rounds[2]
    assert middle(rounds[:2], "wall_s") is rounds[1]


@pytest.mark.parametrize(("rate", "met"), [(19_999.0, False), (20_000.0, True)])
def test_a_row_says_whether_the_figure_wanted_was_reached(rate: float, met: bool) -> None:
    row = Row(name="history-load", events_per_s=rate)
    found = shown(row, [row], "events_per_s", FAST)
    assert found["wanted"] == "events_per_s >= 20000"
    assert found["met"] is met


def test_a_row_without_a_figure_wanted_judges_nothing() -> None:
    row = Row(name="durable", events_per_s=1.0)
    found = shown(row, [row], "events_per_s", None)
    assert found["wanted"] is None and found["met"] is None


def test_ratios_are_quotients_of_rates_of_events() -> None:
    rows = [Row(name="durable", events_per_s=30.0), Row(name="no-store", events_per_s=60.0), Row(name="help", wall_s=1)]
    assert ratios(rows) == {"durable/no-store": 0.5}
    assert ratios(rows[1:]) == {}


def test_the_table_shows_what_was_missed() -> None:
    used = {"worker": 40.0}
    row = Row(name="history-load", events=9, events_per_s=10_000.0, cpu_s_per_million=used, elsewhere=0.5)
    document = {
        "machine": {"cores": 2, "memory_gib": 8.0, "load_before": 0.1},
        "rows": [shown(row, [row], "events_per_s", FAST)],
        "ratios": {},
    }
    printed = table(document)
    assert "MISSED" in printed and "events_per_s >= 20000" in printed and "worker 40.0" in printed
    assert "other processes had 50% of the processors" in printed
