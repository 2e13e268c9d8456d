"""Latencies while events flow: what is sent, what is heard, and that ours and the peer's signals are awaited alike."""

import json
import os
import shutil
from itertools import islice

import pytest

from models.event import CaseId
from models.policy import Kind, Policies
from models.policy_text import load
from models.settings import Settings
from models.tracking import Watched, track
from models.wire import Decoded, decode
from rxpulse.bench import live, throughput
from rxpulse.bench.live import FILLS, ORDERS, Ear, Story, flow
from rxpulse.bench.peers import PEERS, Setting, facts, measure
from rxpulse.bench.rows import Row, latency
from rxpulse.bench.throughput import INPATIENT, fills_of, jobs


def test_every_fill_that_is_sent_breaks_its_target_once() -> None:
    sent = list(islice(flow(FILLS, "x"), 36))
    found = facts(record for _, _, record in sent)
    assert found.breaches == found.intervals == {"fill/x-0", "fill/x-1", "fill/x-2"}
    assert [kind for _, kind, _ in sent].count("rx.pv1.verified") == 3


def test_every_order_that_is_sent_was_verified_too_late_and_took_its_road() -> None:
    policies = Policies.only(load(INPATIENT))
    found = [decode(record, None) for _, _, record in islice(flow(ORDERS, "x"), 36)]
    cases: dict[CaseId, Watched] = {}
    for one in found:
        assert isinstance(one, Decoded)
        case = cases.get(one.event.subject) or Watched(one.event.subject)
        cases[case.id] = track(case, one.event, policies).case
    assert len(cases) == 3
    for case in cases.values():
        assert "stat-verified" in {signal.name for signal in case.signals.values()}
        assert {signal.kind for signal in case.signals.values()} == {Kind.CLOCK}
        assert case.progress is not None and case.progress.impossible == 0 and case.progress.finished is None


def test_a_signal_counts_when_it_first_comes_whoever_made_it() -> None:
    ear = Ear()
    ours = {"id": "s1.0", "subject": "fill/1", "data": {"signal": "s1", "case": "fill/1"}}
    theirs = {"signal": "s2", "kind": "clock", "case": "fill/2"}
    for record, at in ((ours, 1.0), (theirs, 2.0), (ours, 3.0)):
        ear.note(json.dumps(record).encode(), at)
    assert ear.at == {"fill/1": 1.0, "fill/2": 2.0}


def test_a_rate_that_is_too_much_has_no_latencies_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(_: object, __: Story, rate: int, seconds: float) -> Row:
        if rate > 500:
            raise live.NotTold("3 of 9 signals did not come")
        return latency("at 500", [seconds])

    monkeypatch.setattr(live, "measured", measured)
    said: list[str] = []
    row = live.with_latencies(Row(name="durable"), None, FILLS, 2.0, said.append)  # type: ignore[arg-type]
    assert (row.p50_ms_at_500, row.p99_ms_at_500) == (2000, 2000) and row.p50_ms is row.p99_ms is None
    assert said == ["  at 5,000 events/s 3 of 9 signals did not come"]
    assert live.with_latencies(row, None, FILLS, 0.0, said.append) is row  # type: ignore[arg-type]


CACHE = Settings.from_env(os.environ).cache


def quiet(_: str) -> None:
    pass


def told(row: Row) -> None:
    assert row.reason is None
    for p50, p99 in ((row.p50_ms, row.p99_ms), (row.p50_ms_at_500, row.p99_ms_at_500)):
        assert p50 is not None and p99 is not None and 0 < p50 <= p99


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", [0, 1])
def test_our_signals_are_heard_at_both_rates(row: int) -> None:
    told(throughput.measure(jobs(2000)[row], os.environ, CACHE, quiet, live_seconds=2.0))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no JDK")
def test_the_signals_of_kafka_streams_are_heard_at_both_rates() -> None:
    [peer] = [peer for peer in PEERS if peer.live]
    told(measure(peer, Setting(fills_of(2000), os.environ, CACHE, live_seconds=2.0), quiet))
