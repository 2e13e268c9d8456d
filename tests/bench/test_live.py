"""Latencies while events flow: what is sent, what is heard, and that ours and the peer's signals are awaited alike."""

import json
import os
import shutil
from itertools import islice

import pytest

from models.settings import Settings
from rxpulse.bench import live, throughput
from rxpulse.bench.live import Ear, flow
from rxpulse.bench.peers import PEERS, Setting, facts, measure
from rxpulse.bench.rows import Row, latency
from rxpulse.bench.throughput import fills_of, jobs


def test_every_fill_that_is_sent_breaks_its_target_once() -> None:
    sent = list(islice(flow("x"), 36))
    found = facts(record for _, _, record in sent)
    assert found.breaches == found.intervals == {"fill/x-0", "fill/x-1", "fill/x-2"}
    assert [kind for _, kind, _ in sent].count("rx.pv1.verified") == 3


def test_a_signal_counts_when_it_first_comes_whoever_made_it() -> None:
    ear = Ear()
    ours = {"id": "s1.0", "subject": "fill/1", "data": {"signal": "s1", "case": "fill/1"}}
    theirs = {"signal": "s2", "kind": "clock", "case": "fill/2"}
    for record, at in ((ours, 1.0), (theirs, 2.0), (ours, 3.0)):
        ear.note(json.dumps(record).encode(), at)
    assert ear.at == {"fill/1": 1.0, "fill/2": 2.0}


def test_a_rate_that_is_too_much_has_no_latencies_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(_: object, rate: int, seconds: float) -> Row:
        if rate > 500:
            raise live.NotTold("3 of 9 signals did not come")
        return latency("at 500", [seconds])

    monkeypatch.setattr(live, "measured", measured)
    said: list[str] = []
    row = live.with_latencies(Row(name="durable"), None, 2.0, said.append)  # type: ignore[arg-type]
    assert (row.p50_ms_at_500, row.p99_ms_at_500) == (2000, 2000) and row.p50_ms is row.p99_ms is None
    assert said == ["  at 5,000 events/s 3 of 9 signals did not come"]
    assert live.with_latencies(row, None, 0.0, said.append) is row  # type: ignore[arg-type]


CACHE = Settings.from_env(os.environ).cache


def quiet(_: str) -> None:
    pass


def told(row: Row) -> None:
    assert row.reason is None
    for p50, p99 in ((row.p50_ms, row.p99_ms), (row.p50_ms_at_500, row.p99_ms_at_500)):
        assert p50 is not None and p99 is not None and 0 < p50 <= p99


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_our_signals_are_heard_at_both_rates() -> None:
    told(throughput.measure(jobs(2000)[0], os.environ, CACHE, quiet, live_seconds=2.0))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no JDK")
def test_the_signals_of_kafka_streams_are_heard_at_both_rates() -> None:
    [peer] = [peer for peer in PEERS if peer.live]
    told(measure(peer, Setting(fills_of(2000), os.environ, CACHE, live_seconds=2.0), quiet))
