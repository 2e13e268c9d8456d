"""What a home is for: the demo and a pharmacy's own events never share one, and the refusal names the way out. And whether
there is room for it."""

import errno
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from click.testing import CliRunner

from models.errors import CallerFault
from models.settings import Settings
from rxpulse import cli, demo
from rxpulse import home as homes
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


def free(bytes_free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes.shutil, "disk_usage", lambda _: SimpleNamespace(free=bytes_free))


def test_little_room_is_a_warning_and_too_little_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(homes.LOW_SPACE, monkeypatch)
    assert homes.space_warning(tmp_path) is None
    free(homes.LOW_SPACE - 1, monkeypatch)
    warning = homes.space_warning(tmp_path)
    assert warning is not None and "make room soon" in warning
    free(homes.NO_SPACE - 1, monkeypatch)
    with pytest.raises(CallerFault, match="make room first, or set RXPULSE_HOME elsewhere"):
        homes.space_warning(tmp_path)


def test_a_failure_on_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(homes.FULL, monkeypatch)
    assert homes.full(tmp_path) == ""
    free(homes.FULL - 1, monkeypatch)
    assert f"the disk that holds {tmp_path} is full (16 MiB are free): make room" in homes.full(tmp_path)


def test_only_a_lack_of_room_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(CallerFault, match="no room for x"), homes.told_when_full(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device", "x")
    with pytest.raises(PermissionError), homes.told_when_full(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied", "x")


def test_a_clock_that_is_set_makes_no_stranger_of_who_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `rxpulse down` would take the parts of a stack for those of one that was killed, and end them."""
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            since = homes.born(child.pid)
            assert since is not None and homes.lives(child.pid, since)
            told = psutil.Process(child.pid).create_time()
            monkeypatch.setattr(psutil.Process, "create_time", lambda _: told + 3600.0)
            assert homes.lives(child.pid, since)
            assert homes.born(os.getpid()) not in (None, since), "another process is another"
        finally:
            child.kill()
        child.wait()
        assert not homes.lives(child.pid, since) and homes.born(child.pid) is None
