"""Who may know whom: each import contract catches the violation that it is there for.

The packages are copied, one import that a contract forbids is added to the copy, and import-linter has to name it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("rxpulse", "streams", "workflows", "console", "metrics", "models")


@dataclass(frozen=True, slots=True)
class Violation:
    """An import that the module must not have."""

    contract: str
    module: str
    imports: str

    def __str__(self) -> str:
        return f"{self.contract}: {self.module} imports {self.imports}"


VIOLATIONS = (
    Violation("house", "models.hours", "metrics.turnaround"),
    Violation("house", "metrics.turnaround", "streams.topics"),
    Violation("house", "streams.topics", "rxpulse.output"),
    Violation("house", "streams.topics", "workflows.escalate"),
    Violation("house", "workflows.escalate", "console.board"),
    Violation("house", "console.board", "streams.topics"),
    Violation("pharmacy", "models.clocks", "models.rules"),
    Violation("pharmacy", "models.policy", "models.tracking"),
    Violation("measurement", "metrics.turnaround", "models.settings"),
    Violation("measurement", "metrics.turnaround", "models.store.ledger"),
    Violation("pure", "models.hours", "pydantic"),
    Violation("pure", "models.tracking.folding", "sqlalchemy"),
    Violation("home-of-sql", "console.board", "psycopg"),
    Violation("home-of-prometheus", "console.board", "prometheus_client"),
    Violation("home-of-prometheus", "metrics.recorder", "prometheus_client"),
    Violation("home-of-kafka", "rxpulse.output", "kafka"),
    Violation("home-of-kafka", "workflows.escalate", "faust"),
    Violation("home-of-prefect", "streams.topics", "prefect"),
    Violation("home-of-fastapi", "workflows.escalate", "fastapi"),
    Violation("home-of-fastapi", "streams.topics", "fastapi"),
)


@dataclass(frozen=True, slots=True)
class House:
    """A copy of the packages."""

    folder: Path

    @contextmanager
    def planted(self, violation: Violation) -> Iterator[None]:
        """The copy with the import in it, as it was before afterwards."""
        file = self.folder / (violation.module.replace(".", "/") + ".py")
        whole = file.read_text("utf-8")
        file.write_text(f"{whole}\nimport {violation.imports}\n", "utf-8")
        yield
        file.write_text(whole, "utf-8")

    def lint(self, *contracts: str) -> "subprocess.CompletedProcess[str]":
        """Import-linter over the copy; no contract named: all."""
        program = Path(sys.executable).with_name("lint-imports")
        options = [word for contract in contracts for word in ("--contract", contract)]
        env = {"PATH": os.defpath, "PYTHONPATH": str(self.folder), "COLUMNS": "500"}
        argv = [str(program), "--cache-dir", str(self.folder / ".cache"), *options]
        return subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", folder)
    return House(folder)


def test_the_house_as_it_stands_keeps_every_contract(house: House) -> None:
    found = house.lint()
    assert found.returncode == 0, found.stdout + found.stderr
    assert " 0 broken" in found.stdout


def test_every_contract_has_a_violation_that_proves_it() -> None:
    config = ConfigParser()
    config.read(ROOT / ".importlinter")
    contracts = {name.removeprefix("importlinter:contract:") for name in config.sections() if ":contract:" in name}
    assert contracts == {violation.contract for violation in VIOLATIONS}


@pytest.mark.parametrize("violation", VIOLATIONS, ids=str)
def test_a_violation_is_named(house: House, violation: Violation) -> None:
    with house.planted(violation):
        found = house.lint(violation.contract)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "1 broken" in found.stdout
    told = found.stdout.partition("Broken contracts")[2]
    assert violation.module in told and violation.imports.partition(".")[0] in told
