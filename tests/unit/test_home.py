"""What a home is for: the demo and a pharmacy's own events never share one, and the refusal names the way out."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from models.errors import CallerFault
from models.settings import Settings
from rxpulse import cli, demo
from rxpulse.home import MARKER, Purpose, check_purpose, open_home, purpose_of


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_home_remembers_what_it_was_made_for(tmp_path: Path, purpose: Purpose) -> None:
    home = tmp_path / "home"
    assert purpose_of(home) is None
    open_home(home, purpose)
    open_home(home, purpose)
    assert purpose_of(home) is purpose


@pytest.mark.parametrize(
    ("made", "wanted", "remedy"),
    [
        (Purpose.WORK, Purpose.DEMO, "set RXPULSE_HOME to another folder"),
        (Purpose.DEMO, Purpose.WORK, "`rxpulse up --demo-home` runs on"),
    ],
)
def test_a_home_for_something_else_is_refused_and_left_as_it_is(
    tmp_path: Path, made: Purpose, wanted: Purpose, remedy: str
) -> None:
    home = tmp_path / "home"
    open_home(home, made)
    with pytest.raises(CallerFault) as refusal:
        open_home(home, wanted)
    assert remedy in str(refusal.value) and "rxpulse reset" in str(refusal.value) and str(home) in str(refusal.value)
    assert purpose_of(home) is made


@pytest.mark.parametrize(
    ("holds", "purpose"),
    [((), None), (("stack.json",), Purpose.WORK), (("stack.json", "demo.json"), Purpose.DEMO)],
)
def test_a_home_of_an_earlier_release_is_known_by_what_lies_in_it(
    tmp_path: Path, holds: tuple[str, ...], purpose: Purpose | None
) -> None:
    for name in (MARKER, *holds):
        (tmp_path / name).write_text("")
    assert purpose_of(tmp_path) is purpose
    for wanted in Purpose:
        if purpose in (None, wanted):
            check_purpose(tmp_path, wanted)


@pytest.mark.parametrize(
    ("made", "arguments"),
    [(Purpose.WORK, ["demo"]), (Purpose.DEMO, ["up"]), (Purpose.DEMO, ["up", "--detach"])],
)
def test_neither_command_starts_anything_in_the_others_home(
    tmp_path: Path, made: Purpose, arguments: list[str]
) -> None:
    home = tmp_path / "home"
    open_home(home, made)
    ran = CliRunner(env={"RXPULSE_HOME": str(home), "RXPULSE_PORTS": "auto"}).invoke(cli.main, arguments)
    assert ran.exit_code == 1 and "set RXPULSE_HOME to another folder" in ran.stderr
    assert not (home / "stack.json").exists()


def test_a_new_demo_does_not_begin_on_a_broker_that_holds_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.from_env({"RXPULSE_HOME": str(tmp_path), "RXPULSE_KAFKA": "broker:9092"})
    monkeypatch.setattr("streams.lag.ends", lambda _: {0: 4, 1: 3})
    with pytest.raises(CallerFault, match="7 events lie in Kafka at broker:9092 that no demo of this home sent"):
        demo.check_topic(settings, tmp_path / "demo.json")
    (tmp_path / "demo.json").write_text("{}")
    demo.check_topic(settings, tmp_path / "demo.json")
    monkeypatch.setattr("streams.lag.ends", lambda _: {0: 0})
    demo.check_topic(settings, tmp_path / "other.json")
