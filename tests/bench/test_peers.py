"""The peers: what they have to make, what becomes of one that cannot run, and that each of them does the whole job."""

import importlib.util
import json
import random
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

import rxpulse
from models.errors import UsageFault
from rxpulse.bench import peer_programs
from rxpulse.bench.files import Wish, made
from rxpulse.bench.measurements import chosen
from rxpulse.bench.peer_programs import CannotRun, release
from rxpulse.bench.peers import NAMES, PEERS, SLOW_EVENTS, Facts, Setting, events_of, facts, hold, measure
from rxpulse.cli import main

FOLDER = Path(__file__).with_name("peers")
FILLS = Wish("fills", "retail", sites=2, kind="fill", events=3000)
WANTED = Facts(frozenset(("fill/1", "fill/2")), frozenset(("fill/2",)))
BY_NAME = {peer.name: peer for peer in PEERS}


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, value in {"KAFKA": "nowhere:1", "EVENTS": "4", "FOLDER": "/nowhere", "PARTITIONS": "8"}.items():
        monkeypatch.setenv(f"PEER_{name}", value)
    spec = importlib.util.spec_from_file_location("job", FOLDER / "job.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found_by(job: ModuleType, records: Iterable[bytes]) -> Facts:
    """What the peers in Python make of events."""
    fills, told = defaultdict(job.fresh), defaultdict(set)
    for record in records:
        event = job.decode(record)
        for fact in job.apply(fills[event.subject], event):
            told[job.topic_of(fact)].add(fact.case)
    return Facts(frozenset(told[job.INTERVALS]), frozenset(told[job.SIGNALS]))


def test_the_peers_job_is_the_hearts_job_in_whatever_order_and_however_often(job: ModuleType, tmp_path: Path) -> None:
    records = [record for _, record in made(FILLS, tmp_path, lambda _: None)]
    wanted = facts(records)
    assert len(wanted.intervals) > len(wanted.breaches) > 50
    hold(found_by(job, records), wanted)
    shuffled = [*records, *records[:1000]]
    random.Random(5).shuffle(shuffled)
    hold(found_by(job, shuffled), wanted)


def test_a_peer_counts_aloud(job: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    progress = job.Progress()
    progress.count()
    assert capsys.readouterr().out == "begin\n" and not progress.whole
    progress.count(3)
    assert capsys.readouterr().out == "half\n" and progress.whole


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Facts(frozenset(("fill/1",)), WANTED.breaches), "1 intervals where there are 2: 1 are missing and 0 are none"),
        (Facts(WANTED.intervals, frozenset(("fill/1",))), "1 breaches where there are 1: 1 are missing and 1 are none"),
    ],
)
def test_a_peer_that_made_something_else_has_no_figure(found: Facts, said: str) -> None:
    hold(WANTED, WANTED)
    with pytest.raises(CannotRun, match=said):
        hold(found, WANTED)


def test_a_slow_peer_runs_the_first_events_of_the_same_file() -> None:
    records = [("fill/1", b"")] * (SLOW_EVENTS + 1)
    assert len(events_of(BY_NAME["faust-idiomatic"], records)) == SLOW_EVENTS
    assert events_of(BY_NAME["loop"], records) is records


def test_without_a_jdk_kafka_streams_is_a_row_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    row = measure(BY_NAME["kafka-streams-eos"], Setting(FILLS, {}, tmp_path), lambda _: None)
    assert row.events_per_s is None and row.reason is not None and "no JDK" in row.reason


def test_an_old_jdk_will_not_do(tmp_path: Path) -> None:
    javac = tmp_path / "bin" / "javac"
    javac.parent.mkdir()
    javac.write_text("#!/bin/sh\necho javac 11.0.2\n")
    javac.chmod(0o755)
    with pytest.raises(CannotRun, match=r"javac 11\.0\.2: a JDK of at least 17"):
        peer_programs.jdk({"JAVA_HOME": str(tmp_path)})


def test_an_environment_that_cannot_be_made_is_a_row_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loop.lock").write_text("no requirement at all !\n")
    monkeypatch.setattr(peer_programs, "source", lambda: tmp_path)
    row = measure(BY_NAME["loop"], Setting(FILLS, {}, tmp_path), lambda _: None)
    assert row.reason is not None and "cannot be made from loop.lock" in row.reason
    assert not list(tmp_path.glob("bench/peers/*/.made"))


@pytest.mark.parametrize(("said", "major"), [("javac 17.0.15", 17), ("javac 25", 25), ("javac: no", None)])
def test_the_release_of_a_jdk_is_read(said: str, major: int | None) -> None:
    assert release(said) == major


def test_peers_are_measured_beside_our_own_rows() -> None:
    assert chosen([], {}, with_peers=True) == ["durable", "durable-full", "no-store", *NAMES]
    assert chosen(["durable"], {}, with_peers=True) == ["durable", *NAMES]
    assert chosen(["loop", "durable"], {}) == ["durable", "loop"]
    assert not set(chosen([], {})) & set(NAMES)


def test_an_installation_has_no_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rxpulse, "__file__", str(tmp_path / "rxpulse" / "__init__.py"))
    with pytest.raises(UsageFault, match="checkout"):
        chosen([], {}, with_peers=True)
    assert "durable" in chosen([], {})
    found = CliRunner().invoke(main, ["bench", "--peers"])
    assert found.exit_code == 2 and "checkout" in found.stderr


@pytest.mark.parametrize("lock", sorted(FOLDER.glob("*.lock")), ids=lambda path: path.name)
def test_a_lock_names_every_package_with_its_sums_and_no_address(lock: Path) -> None:
    lines = [line for line in lock.read_text("utf-8").splitlines() if not line.startswith("#")]
    packages = [at for at, line in enumerate(lines) if not line.startswith(" ")]
    assert packages and all(re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", lines[at]) for at in packages)
    assert all(lines[at + 1].strip().startswith("--hash=sha256:") for at in packages)
    assert not any("://" in line or "--index" in line for line in lines)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_each_peer_makes_what_the_heart_makes(name: str) -> None:
    """A row without a reason is one whose facts were held against the heart's."""
    argv = [sys.executable, "-m", "rxpulse", "bench", name, "--events", "2000", "--json"]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    [row] = json.loads(found.stdout)["rows"]
    assert row["reason"] is None and row["events"] == 2000 and row["events_per_s"] > 0
    assert set(row["cpu_s_per_million"]) == set(row["warm_cpu_s_per_million"]) == {"client", "kafka"}
    assert row["rss_mib"] > 0 and row["warm_events_per_s"] > 0
