"""`./run faults`: every scenario with one seed, one after the other.

Each result is appended to .faults/results.ndjson with commit, seed and form; what passed there already is not run again,
so a run that was interrupted goes on. Exit 1 where a scenario failed.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
RESULTS = FOLDER.parents[1] / ".faults" / "results.ndjson"
EVENTS = {"full": 20_000, "long": 200_000}


def asked() -> argparse.Namespace:
    told = argparse.ArgumentParser(prog="./run faults", description=__doc__)
    told.add_argument("--seed", type=int, default=1, help="decides the feed and every moment of a fault (default 1)")
    told.add_argument("--long", action="store_true", help="200,000 events a scenario, not 20,000")
    told.add_argument("--only", metavar="NAME", help="scenarios whose name holds NAME, run again in any case")
    return told.parse_args()


def commit() -> str:
    """The commit, with a hash of what differs from it."""

    def git(*words: str) -> bytes:
        return subprocess.run(["git", *words], cwd=FOLDER, check=True, capture_output=True).stdout

    changes = git("diff", "HEAD")
    mark = "+" + hashlib.sha256(changes).hexdigest()[:8] if changes else ""
    return git("rev-parse", "--short=12", "HEAD").decode().strip() + mark


class Book:
    """Keeps results of `run` in a file, and leaves out what it says has passed already, unless asked for it `again`."""

    def __init__(self, results: Path, run: dict[str, object], *, again: bool) -> None:
        self._results, self._run, self._again = results, run, again

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        lines = self._results.read_text().splitlines() if self._results.exists() else []
        known = [json.loads(line) for line in lines]
        done = {one["scenario"] for one in known if one["outcome"] == "passed" and self._run.items() <= one.items()}
        if not self._again:
            items[:] = [one for one in items if one.name not in done]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            about = {"scenario": report.location[2], "outcome": report.outcome, "seconds": round(report.duration, 1)}
            self._results.parent.mkdir(exist_ok=True)
            with self._results.open("a") as book:
                book.write(json.dumps({**self._run, **about, "at": datetime.now(UTC).isoformat()}) + "\n")


def perform(folder: Path, book: Book, *words: str) -> int:
    """Runs the scenarios of a folder that the book does not know as passed; `words` go to pytest. The exit code."""
    code = pytest.main([str(folder), "-v", "--tb=short", "-m", "slow or not slow", *words], plugins=[book])
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)


def main() -> int:
    """The exit code."""
    told = asked()
    form = "long" if told.long else "full"
    os.environ |= {"RXPULSE_FAULTS_SEED": str(told.seed), "RXPULSE_FAULTS_EVENTS": str(EVENTS[form])}
    chosen = ["-k", told.only] if told.only else []
    book = Book(RESULTS, {"commit": commit(), "seed": told.seed, "form": form}, again=bool(told.only))
    return perform(FOLDER, book, *chosen)


if __name__ == "__main__":
    sys.exit(main())
