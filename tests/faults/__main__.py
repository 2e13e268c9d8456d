"""`./run faults`: every scenario with one seed, two at a time, each over a Kafka and a PostgreSQL of its own.

Each result is appended to .faults/results.ndjson with commit, seed and form, why it failed where it did, and a digest of
everything that decides it: the product's code, its dependencies, what the scenarios share, and the scenario's own module. What
passed there already with the same digest is not run again, so a run that was interrupted goes on, a commit that changes only a
page needs none, and one that mends a scenario needs that one. Exit 1 where a scenario failed.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rxpulse.process import tether

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
RESULTS = ROOT / ".faults" / "results.ndjson"
EVENTS = {"short": 1_500, "full": 20_000, "long": 200_000}
SHORT = "not slow"
"""The scenarios that `./run test` runs, in its form."""
DECIDES = (
    *("models", "metrics", "streams", "workflows", "rxpulse", "tests/faults"),
    *(f"tests/{name}.py" for name in ("conftest", "disks", "heart", "live", "stacks")),
    *("pyproject.toml", "requirements.lock"),
)


def asked() -> argparse.Namespace:
    told = argparse.ArgumentParser(prog="./run faults", description=__doc__)
    told.add_argument("--seed", type=int, default=1, help="decides the feed and every moment of a fault (default 1)")
    told.add_argument("--long", action="store_true", help="200,000 events a scenario, not 20,000")
    told.add_argument("--short", action="store_true", help="1,500 events, and the eight scenarios of ./run test alone")
    told.add_argument("--only", metavar="NAME", help="scenarios whose name holds NAME, run again in any case")
    told.add_argument("--at-once", type=int, default=2, metavar="N", help="so many scenarios at a time (default 2)")
    told.add_argument("--share", type=int, help=argparse.SUPPRESS)
    return told.parse_args()


def commit() -> str:
    """The commit, with a digest of what differs from it."""
    changes = _git("diff", "HEAD")
    mark = "+" + _digest(changes) if changes else ""
    return _git("rev-parse", "--short=12", "HEAD").decode().strip() + mark


def code(scenarios: str) -> str:
    """A digest of what decides the results of a module of scenarios: no other scenario does."""
    shared, own = (*DECIDES, ":!tests/faults/test_*.py"), (f"tests/faults/{scenarios}",)
    held = [_git(*words, "--", *paths) for paths in (shared, own) for words in (("ls-files", "--stage"), ("diff",))]
    return _digest(b"".join([*held, *map(_unknown, (shared, own))]))


def _unknown(paths: Sequence[str]) -> bytes:
    """The files that git does not know yet."""
    names = _git("ls-files", "--others", "--exclude-standard", "-z", "--", *paths).decode().split("\0")
    return b"".join(name.encode() + (ROOT / name).read_bytes() for name in names if name)


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:8]


class Book:
    """Keeps results in a file under what decides them (`run`, and `code` of the scenario's module) and of which `commit` they
    are, and leaves out what passed the last time, unless asked for it `again`, and what is not of its `share`: (which one, of how
    many). `wavers` are the scenarios that passed now and had failed with the same code before, each with the reason of that:
    chance decides them, so nothing is proven by their passing."""

    def __init__(
        self,
        results: Path,
        run: dict[str, object],
        code: Callable[[str], str],
        commit: str,
        *,
        again: bool,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._results, self._run, self._code, self._commit = results, run, code, commit
        self._again, self._share = again, share
        self._codes: dict[str, str] = {}
        self._last: dict[tuple[str, str], dict[str, Any]] = {}
        self.wavers: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._codes = {name: self._code(name) for name in {one.path.name for one in items}}
        self._last = self._read()
        first, shares = self._share
        # Before any is left out: whatever has passed meanwhile, every scenario is in one share.
        items[:] = items[first::shares]
        if not self._again:
            items[:] = [
                one for one in items if self._before(one.name, self._codes[one.path.name])["outcome"] != "passed"
            ]

    def _read(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The last result of each scenario with each code, in runs like this one."""
        lines = self._results.read_text().splitlines() if self._results.exists() else []
        alike = [one for one in map(json.loads, lines) if self._run.items() <= one.items()]
        return {(one["scenario"], one["code"]): one for one in alike}

    def _before(self, scenario: str, code: str) -> dict[str, Any]:
        return self._last.get((scenario, code), {"outcome": "never run"})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            module, _, scenario = report.location
            digest = self._codes[Path(module).name]
            before = self._before(scenario, digest)
            if report.outcome == "passed" and before["outcome"] == "failed":
                self.wavers[scenario] = before.get("why", "nobody wrote down why")
            about = {"code": digest, "scenario": scenario, "outcome": report.outcome} | _reason(report)
            took = {"seconds": round(report.duration, 1), "at": datetime.now(UTC).isoformat()}
            self._results.parent.mkdir(exist_ok=True)
            with self._results.open("a") as book:
                book.write(json.dumps({"commit": self._commit, **self._run, **about, **took}) + "\n")


def _reason(report: pytest.TestReport) -> dict[str, str]:
    """The first line of why a scenario failed or was skipped, as `why`; nothing where it passed."""
    match report.longrepr:
        case None:
            return {}
        case (_, _, said):
            return {"why": said}
        case shown:
            crash = getattr(shown, "reprcrash", None)
            return {"why": str(shown if crash is None else crash.message).partition("\n")[0]}


def perform(folder: Path, book: Book, only: str | None, *words: str) -> int:
    """Runs the scenarios of a folder that the book does not know as passed, or those that `only` names; `words` go to pytest.
    The exit code."""
    named = ["-k", only] if only else []
    exit_code = pytest.main([str(folder), "-v", "--tb=short", "-m", "slow or not slow", *named, *words], plugins=[book])
    for scenario, why in book.wavers.items():
        print(f"{scenario} passed and had failed before with the same code: {why}", file=sys.stderr)
    if exit_code == pytest.ExitCode.NO_TESTS_COLLECTED and only is not None:
        print(f"--only {only}: no scenario's name holds it", file=sys.stderr)
        return 2
    return 0 if exit_code == pytest.ExitCode.NO_TESTS_COLLECTED else int(exit_code)


def beside(shares: int) -> int:
    """The same run in so many processes, each with its share of the scenarios. The highest exit code."""
    argv = [sys.executable, "-m", "tests.faults", *sys.argv[1:]]
    ends_with_us = tether(signal.SIGINT)
    running = [
        subprocess.Popen([*argv, "--share", str(number)], cwd=ROOT, preexec_fn=ends_with_us) for number in range(shares)
    ]
    return max(one.wait() for one in running)


def main() -> int:
    """The exit code."""
    told = asked()
    if told.share is None and told.only is None and told.at_once > 1:
        return beside(told.at_once)
    form = "long" if told.long else "short" if told.short else "full"
    os.environ |= {"RXPULSE_FAULTS_SEED": str(told.seed), "RXPULSE_FAULTS_EVENTS": str(EVENTS[form])}
    chosen = ["-m", SHORT] if told.short else []
    share = (0, 1) if told.share is None else (told.share, told.at_once)
    book = Book(RESULTS, {"seed": told.seed, "form": form}, code, commit(), again=bool(told.only), share=share)
    return perform(FOLDER, book, told.only, *chosen)


if __name__ == "__main__":
    sys.exit(main())
