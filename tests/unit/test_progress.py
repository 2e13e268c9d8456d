"""A long command says at a terminal how far it is, and nothing anywhere else."""

import io
from collections.abc import Iterator

import pytest

from rxpulse import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a second later."""
    ticking = iter(range(1_000_000))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(ticking)))


@pytest.mark.usefixtures("seconds")
def test_a_long_run_is_counted_at_a_terminal_and_the_line_is_gone_at_the_end() -> None:
    out = Terminal()
    assert list(progress.counted(range(1024), "records", out)) == list(range(1024))
    assert "512 records, 256 a second" in out.getvalue() and "256 records" not in out.getvalue().split("512")[0]
    assert out.getvalue().endswith("\r\x1b[K")


def test_a_short_run_says_nothing() -> None:
    out = Terminal()
    assert len(list(progress.counted(range(1024), "records", out))) == 1024
    assert out.getvalue() == ""


@pytest.mark.usefixtures("seconds")
def test_of_how_many_is_said_in_lines_wherever_it_runs() -> None:
    out = io.StringIO()
    assert list(progress.measured(range(3000), "records", 3000, out)) == list(range(3000))
    assert out.getvalue().splitlines() == [
        "512 of 3,000 records, 2 s",
        "1,792 of 3,000 records, 7 s",
        "3,000 of 3,000 records, 12 s",
    ]


def test_what_is_quickly_read_says_nothing_of_how_many() -> None:
    out = io.StringIO()
    assert len(list(progress.measured(range(1024), "records", 1024, out))) == 1024
    assert out.getvalue() == ""


@pytest.mark.usefixtures("seconds")
def test_nothing_is_said_where_nobody_watches() -> None:
    out = io.StringIO()
    assert len(list(progress.counted(range(1024), "records", out))) == 1024
    assert out.getvalue() == ""


@pytest.mark.usefixtures("seconds")
def test_the_line_is_gone_too_when_the_run_breaks_off() -> None:
    def broken() -> Iterator[int]:
        yield from range(600)
        raise OSError

    out = Terminal()
    with pytest.raises(OSError):
        list(progress.counted(broken(), "records", out))
    assert out.getvalue().endswith("\r\x1b[K")
