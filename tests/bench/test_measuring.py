"""How measurements are taken: the events they use, what processes are charged, and what is sent to be told about."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from models.errors import CallerFault
from models.event import kind_of
from models.policy_text import read
from models.wire import Decoded, decode
from rxpulse.bench import telling
from rxpulse.bench.files import Wish, made
from rxpulse.bench.rig import own_environment
from rxpulse.bench.telling import DEADLINE, RULE, Heard, Sample, note
from rxpulse.bench.throughput import INPATIENT, ONE_CLOCK
from rxpulse.bench.usage import Elsewhere, Watcher, cpu_seconds, resident_bytes
from rxpulse.bench.working import applied, samples, until_applied

FILLS = Wish("fills", "retail", kind="fill", events=500)
BUSY = """
import sys, time
block = bytearray(64 << 20)
while time.process_time() < 0.3: pass
print("done", flush=True)
sys.stdin.read()
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}], check=True)"


def test_a_wish_is_made_once_and_read_from_the_cache_afterwards(tmp_path: Path) -> None:
    said: list[str] = []
    first = made(FILLS, tmp_path, said.append)
    assert made(FILLS, tmp_path, said.append) == first
    assert len(said) == 1 and len(first) == 500
    assert {kind_of(subject) for subject, _ in first} == {"fill"}  # type: ignore[arg-type]


def test_a_file_whose_wish_has_changed_is_made_anew_and_the_old_one_removed(tmp_path: Path) -> None:
    made(FILLS, tmp_path, lambda _: None)
    made(Wish("fills", "retail", kind="fill", events=400), tmp_path, lambda _: None)
    assert len(list((tmp_path / "bench").iterdir())) == 1


def test_a_process_is_charged_for_what_its_children_do() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"done\n"
        assert cpu_seconds(parent.pid) >= 0.3
        assert resident_bytes([parent.pid]) > 64 << 20
        parent.communicate()


def test_who_waits_for_events_looks_until_all_are_applied() -> None:
    counts = iter([0, 3, 3, 5, 6])
    assert list(until_applied("row", lambda: next(counts), 5)) == [0, 3, 3, 5]


def test_who_waits_for_events_gives_up_where_nothing_moves() -> None:
    with pytest.raises(CallerFault, match="row: nothing moves at 3 of 5 events"):
        list(until_applied("row", lambda: 3, 5, still=0.15))


def test_the_watcher_keeps_the_highest_memory_it_saw() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        with Watcher(child.pid) as watcher:
            assert child.stdout is not None and child.stdout.readline() == b"done\n"
        child.communicate()
    assert watcher.rss > 64 << 20


def test_what_our_own_children_do_is_not_done_elsewhere() -> None:
    ours, theirs = Elsewhere(), Elsewhere()
    subprocess.run([sys.executable, "-c", PARENT], input=b"", check=True, stdout=subprocess.DEVNULL)
    # As if the same work had been done by somebody else.
    theirs._ours += 0.3
    share = ours.share()
    assert 0 <= share < theirs.share() <= 1


def test_a_stack_to_measure_on_inherits_no_address_of_another() -> None:
    environ = {"PATH": "/bin", "RXPULSE_KAFKA": "elsewhere:9092", "RXPULSE_CACHE": "/cache"}
    found = own_environment(environ, Path("/home"), ONE_CLOCK)
    assert "RXPULSE_KAFKA" not in found
    assert found["RXPULSE_CACHE"] == "/cache" and found["RXPULSE_POLICY"] == str(ONE_CLOCK)


def test_what_the_worker_has_applied_is_the_sum_over_all_outcomes() -> None:
    text = (
        "# HELP x y\n"
        'rxpulse_worker_events_total{outcome="accepted"} 12.0\n'
        'rxpulse_worker_events_total{outcome="rejected"} 1.0\n'
        "rxpulse_worker_partitions 8.0\n"
    )
    assert applied(samples(text)) == 13


@pytest.mark.parametrize("policy", [ONE_CLOCK, INPATIENT])
def test_the_policies_to_measure_with_are_without_a_fault(policy: Path) -> None:
    assert read(policy).policy.clocks


def test_the_policy_of_the_whole_stack_pages_the_webhook_and_counts_three_seconds(tmp_path: Path) -> None:
    policy = read(telling.policy("http://127.0.0.1:1/page", tmp_path)).policy
    assert policy.people["pager"].webhook == "http://127.0.0.1:1/page"
    assert policy.clocks[DEADLINE].target.length == telling.TARGET  # type: ignore[union-attr]


@pytest.mark.parametrize("signal", [RULE, DEADLINE])
def test_what_is_sent_is_an_event_of_our_own_format(signal: str) -> None:
    import json

    one = telling.event(1, "m1", signal, datetime.now(UTC))
    found = decode(json.dumps(one).encode(), None)
    assert isinstance(found, Decoded) and found.dropped == 0
    assert found.event.subject == one["subject"]


def test_a_page_is_counted_from_what_it_is_about(tmp_path: Path) -> None:
    heard = Heard()
    sent = [Sample("fill/1", RULE, 10.0, 10.0), Sample("order/2", DEADLINE, 20.0, 23.0)]
    note({"fill/1": "s1"}, heard, 10.5)
    note({"order/2": "s2"}, heard, 24.0)
    assert not heard.whole(sent)
    heard.pages.update(s1=11.0, s2=25.0)
    assert heard.whole(sent)
    found = {row.name: row.p50_ms for row in telling.rows(sent, heard)}
    assert found == pytest.approx({"signal-latency": 500, "page-latency": 1000, "deadline-page": 2000})


def test_a_page_that_comes_twice_counts_when_it_first_came() -> None:
    heard, page = Heard(), {"type": "rx.escalation.page", "data": {"signal": {"id": "s1"}}}
    with telling.webhook(heard) as address:
        assert httpx.post(address, json=page).status_code == 204
        first = heard.pages["s1"]
        httpx.post(address, json=page)
    assert heard.pages["s1"] == first
    assert datetime.now(UTC) - datetime.fromtimestamp(first, UTC) < timedelta(minutes=1)
