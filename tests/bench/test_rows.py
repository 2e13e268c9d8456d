"""Rows of measurements: what they hold, and how they are held against the figures wanted."""

from dataclasses import replace

import pytest

from rxpulse.bench.comparing import cpu_ratios, latency_ratios, ratios, warm_ratios
from rxpulse.bench.live import at_both
from rxpulse.bench.rows import Row, Sense, Wanted, backlog, latency, middle, shown, throughput
from rxpulse.commands.bench import table

MACHINE = {"cores": 2, "memory_gib": 8.0, "load_before": 0.1}
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


def test_each_figure_is_by_itself_the_one_in_the_middle_that_was_measured() -> None:
    rounds = [
        Row(name="durable", wall_s=wall, p99_ms=p99, cpu_s_per_million={"worker": cpu})
        for wall, p99, cpu in ((0.4, 7.0, 20.0), (0.1, None, 22.0), (0.2, 9.0, 21.0))
    ]
    assert middle(rounds) == Row(name="durable", wall_s=0.2, p99_ms=7.0, cpu_s_per_million={"worker": 21.0})
    assert middle(rounds[:2]).wall_s == 0.1
    with pytest.raises(ValueError, match="no row"):
        middle([])


def test_what_each_round_found_is_kept() -> None:
    rounds = [Row(name="durable", events_per_s=rate, p99_ms=p99) for rate, p99 in ((1.0, 5.0), (3.0, 4.0), (2.0, 6.0))]
    found = shown(middle(rounds), rounds, "events_per_s", None)
    assert (found["events_per_s"], found["p99_ms"], found["rounds"]) == (2.0, 5.0, [1.0, 3.0, 2.0])
    assert [(one["events_per_s"], one["p99_ms"]) for one in found["each_round"]] == [(1.0, 5.0), (3.0, 4.0), (2.0, 6.0)]


@pytest.mark.parametrize(("rate", "seconds"), [(20_500.0, 15.0), (500.0, None), (None, None)])
def test_a_backlog_is_worked_off_while_more_comes(rate: float | None, seconds: float | None) -> None:
    assert backlog(Row(name="durable", events_per_s=rate)) == seconds


def test_latencies_of_two_rows_are_compared_where_both_were_asked() -> None:
    rows = [Row(name="durable", p50_ms=20.0, p99_ms=90.0), Row(name="kafka-streams-eos", p50_ms=80.0), Row(name="loop")]
    assert latency_ratios(rows, ("kafka-streams-eos", "loop")) == {
        "durable/kafka-streams-eos": {"p50_ms": 0.25, "p99_ms": None, "p50_ms_at_500": None, "p99_ms_at_500": None}
    }


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
    assert ratios(rows, ("no-store", "loop")) == {"durable/no-store": 0.5}
    assert ratios(rows[1:], ("no-store",)) == {}


def test_a_row_without_a_figure_has_no_ratio_and_says_why() -> None:
    rows = [Row(name="durable", events_per_s=30.0), Row(name="kafka-streams-eos", reason="there is no JDK")]
    against = ("kafka-streams-eos",)
    assert ratios(rows, against) == {"durable/kafka-streams-eos": None}
    assert warm_ratios(rows, against) == {"durable/kafka-streams-eos": None}
    assert cpu_ratios(rows, against) == {"kafka-streams-eos/durable": {"cold": None, "warm": None}}
    found = shown(rows[1], rows[1:], "events_per_s", None)
    assert found["reason"] == "there is no JDK" and found["rounds"] == [None]
    document = {
        "machine": MACHINE,
        "rows": [found],
        "ratios": {},
        "warm_ratios": {},
        "cpu_ratios": {},
        "latency_ratios": {},
    }
    assert "cannot run: there is no JDK" in table(document)


def test_all_processes_together_are_compared_cold_and_warm() -> None:
    durable = throughput("durable", 1_000_000, 10.0, {"worker": 8.0, "postgres": 2.0})
    other = replace(
        throughput("kafka-streams-eos", 1_000_000, 20.0, {"client": 20.0, "kafka": 5.0}),
        warm_events_per_s=80_000.0,
        warm_cpu_s_per_million={"client": 12.0, "kafka": 3.0},
    )
    against = ("kafka-streams-eos",)
    assert warm_ratios([durable, other], against) == {"durable/kafka-streams-eos": 1.25}
    assert cpu_ratios([durable, other], against) == {"kafka-streams-eos/durable": {"cold": 2.5, "warm": 1.5}}


def test_a_round_that_could_not_run_is_not_the_one_in_the_middle() -> None:
    rounds = [Row(name="loop", reason="it stands still"), Row(name="loop", events_per_s=9.0)]
    assert middle(rounds) == rounds[1]
    assert middle(rounds[:1]) is rounds[0]


def test_the_table_shows_what_was_missed() -> None:
    used = {"worker": 40.0}
    row = throughput("history-load", 9, 0.0009, {}, None)
    row = replace(
        at_both(row, Row(name="too slow"), latency("at 5000", [0.001])), cpu_s_per_million=used, elsewhere=0.5
    )
    document = {
        "machine": MACHINE,
        "rows": [shown(row, [row], "events_per_s", FAST)],
        "ratios": {},
        "warm_ratios": {},
        "cpu_ratios": {},
        "latency_ratios": {"durable/kafka-streams-eos": {"p50_ms": 0.26, "p99_ms": None}},
    }
    printed = table(document)
    assert "MISSED" in printed and "events_per_s >= 20000" in printed and "worker 40.0" in printed
    assert (
        "at 5,000 events/s from an event to its signal: p50 1 ms, p99 1 ms" in printed
        and "at 500 events/s from" not in printed
    )
    assert "a backlog of ten minutes at 500 events/s would take 31.6 s" in printed
    assert "durable/kafka-streams-eos, p50_ms: 0.26" in printed and "p99_ms:" not in printed
    assert "other processes had 50% of the processors" in printed
