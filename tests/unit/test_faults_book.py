"""A run of the fault scenarios that was interrupted goes on: what has passed is not run again, all else is."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIOS = """
import os, signal
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent

def ran(name):
    with (FOLDER / "ran").open("a") as out:
        out.write(name)

def test_first():
    ran("1")

def test_second():
    ran("2")
    assert (FOLDER / "mended").exists(), "nobody mended it\\nfor a while"

def test_third():
    ran("3")
    if not (FOLDER / "mended").exists():
        os.kill(os.getpid(), signal.SIGKILL)

def test_fourth():
    ran("4")

@pytest.fixture
def breaks():
    yield
    assert (FOLDER / "mended").exists()

def test_fifth(breaks):
    ran("5")
"""
PROGRAM = """
import sys
from pathlib import Path
from tests.faults.__main__ import Book, perform
folder, version, only, share, shares = Path(sys.argv[1]), sys.argv[2], sys.argv[3] or None, *map(int, sys.argv[4:6])
results = folder / "kept" / "results.ndjson"
code, again = lambda module: f"{version} {module}", only is not None
book = Book(results, {"seed": 1}, code, "a commit", again=again, share=(share, shares))
sys.exit(perform(folder, book, only, "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *sys.argv[6:]))
"""


class Run:
    """The run of one folder with some code."""

    def __init__(self, folder: Path, code: str) -> None:
        self._folder, self._code, self.said = folder, code, ""

    def perform(self, *words: str, only: str = "", share: tuple[int, int] = (0, 1)) -> tuple[int, str]:
        """Its exit code, and the numbers of the scenarios that ran, in order; `said` is what it said of them beside."""
        ran = self._folder / "ran"
        ran.write_text("")
        argv = [sys.executable, "-c", PROGRAM, str(self._folder), self._code, only, *map(str, share), *words]
        done = subprocess.run(argv, capture_output=True, check=False, text=True)
        self.said = done.stderr
        return done.returncode, ran.read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_scenarios.py").write_text(SCENARIOS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow: takes long\n")
    return tmp_path


def test_a_run_that_was_killed_goes_on_with_what_has_not_passed(folder: Path) -> None:
    run = Run(folder, "abc")
    assert run.perform() == (-signal.SIGKILL, "123")
    (folder / "mended").touch()
    assert run.perform() == (0, "2345")
    why = "AssertionError: nobody mended it"
    assert f"test_second passed and had failed before with the same code: {why}\n" in run.said
    assert run.perform() == (0, "") and run.said == ""
    kept = [json.loads(line) for line in (folder / "kept" / "results.ndjson").read_text().splitlines()]
    assert [(one["scenario"][5:], one["outcome"]) for one in kept] == [
        *(("first", "passed"), ("second", "failed")),
        *(("second", "passed"), ("third", "passed"), ("fourth", "passed"), ("fifth", "passed")),
    ]
    assert [one.get("why") for one in kept] == [None, why, None, None, None, None]
    assert all(
        (one["code"], one["commit"]) == ("abc test_scenarios.py", "a commit") and one["seconds"] >= 0 and one["at"]
        for one in kept
    )


def test_other_code_runs_everything_and_a_named_scenario_runs_again(folder: Path) -> None:
    (folder / "mended").touch()
    assert Run(folder, "abc").perform() == (0, "12345")
    assert Run(folder, "abd").perform() == (0, "12345")
    assert Run(folder, "abc").perform(only="second") == (0, "2")


def test_every_scenario_is_in_one_share_whatever_has_passed_meanwhile(folder: Path) -> None:
    (folder / "mended").touch()
    run = Run(folder, "abc")
    assert run.perform("-k", "third", share=(0, 2)) == (0, "3")
    assert run.perform(share=(1, 2)) == (0, "24")
    assert run.perform(share=(0, 2)) == (0, "15")
    assert run.perform() == (0, "")


def test_a_name_that_no_scenario_has_is_said(folder: Path) -> None:
    assert Run(folder, "abc").perform(only="secnod") == (2, "")


def test_a_failed_scenario_is_the_exit_code_and_is_run_again(folder: Path) -> None:
    run = Run(folder, "abc")
    assert run.perform("-k", "first or second") == (1, "12")
    assert run.perform("-k", "first or second") == (1, "2")


def test_a_scenario_that_breaks_when_it_is_over_is_run_again(folder: Path) -> None:
    run = Run(folder, "abc")
    assert run.perform("-k", "fifth") == (1, "5")
    (folder / "mended").touch()
    assert run.perform("-k", "fifth") == (0, "5")
    assert run.perform("-k", "fifth") == (0, "")
