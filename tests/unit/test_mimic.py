"""The MIMIC tables as events, on a small slice made here that has the published tables' quirks."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.errors import CallerFault, UsageFault
from models.event import Event
from models.wire import Decoded, decode, encode
from streams.intake.mimic import Import, kind_of_dose

KEY = "a key that is long enough to be one"
POE = """poe_id,ordertime,transaction_type
7-1,2150-03-12 14:00:00,New
7-2,2150-03-12 18:00:00,New
8-1,2190-01-05 08:00:00,D/C
"""
PHARMACY = """subject_id,pharmacy_id,poe_id,verifiedtime,stoptime
7,501,7-1,2150-03-12 14:06:40,2150-03-14 14:00:00
7,502,7-2,2150-03-12 17:00:00,2150-03-12 09:00:00
7,503,7-9,2150-03-13 10:00:00,
7,504,,,
8,601,8-1,2190-01-05 08:30:00,
8,602,8-1,noon,
"""
EMAR = """subject_id,emar_id,pharmacy_id,event_txt,charttime,storetime
7,7-11,501,Administered,2150-03-12 16:00:00,2150-03-12 16:04:00
7,7-10,501,Hold Dose,2150-03-12 15:00:00,2150-03-12 17:00:00
7,7-12,,Started in Other Location,2150-03-12 16:30:00,2150-03-12 16:20:00
7,7-13,501,Flushed,2150-03-12 16:40:00,2150-03-12 16:40:00
7,7-14,501,,2150-03-12 16:41:00,2150-03-12 16:41:00
8,8-10,601,Administered,2190-01-09 08:00:00,2190-01-05 09:00:00
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("poe", POE), ("pharmacy", PHARMACY), ("emar", EMAR)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def read(folder: Path, rebase: datetime | None = None, key: str = KEY) -> tuple[Import, list[Event]]:
    reading = Import(key)
    return reading, list(reading.rows(folder, rebase))


def of(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event.type == kind]


def test_every_record_is_an_event_or_is_counted_by_reason(folder: Path) -> None:
    reading, events = read(folder)
    assert reading.tally.skipped == {
        "no order time": 2, "no time": 5, "unreadable time": 1, "no dose event": 2, "charted more than a day ahead": 1,
    }  # fmt: skip
    assert (reading.tally.read, reading.tally.events) == (24, 13) and len(events) == 13


def test_orders_that_share_one_provider_order_are_cases_of_their_own(folder: Path) -> None:
    _, events = read(folder)
    discontinued = [event for event in of(events, "rx.order.entered") if event.data.get("transaction") == "D/C"]
    assert len({event.subject for event in discontinued}) == 2


def test_a_verification_before_its_order_is_kept_as_it_is_written(folder: Path) -> None:
    _, events = read(folder)
    entered = {event.subject: event.time for event in of(events, "rx.order.entered")}
    verified = {event.subject: event.time for event in of(events, "rx.order.verified")}
    gaps = [verified[case] - entered[case] for case in entered if case in verified]
    assert sorted(gaps) == [timedelta(hours=-1), timedelta(minutes=6, seconds=40), timedelta(minutes=30)]


def test_a_dose_stands_on_its_order_and_keeps_when_it_was_stored(folder: Path) -> None:
    _, events = read(folder)
    [given] = [event for event in of(events, "rx.dose.administered") if event.subject.startswith("order/")]
    assert given.subject in {event.subject for event in of(events, "rx.order.entered")}
    assert given.recorded - given.time == timedelta(minutes=4)


def test_a_dose_without_an_order_is_a_case_of_its_own(folder: Path) -> None:
    _, events = read(folder)
    [alone] = [event for event in events if event.subject.startswith("dose/")]
    assert alone.type == "rx.dose.administered" and alone.recorded < alone.time


def test_a_dose_held_says_why(folder: Path) -> None:
    _, events = read(folder)
    assert [event.data.get("reason") for event in of(events, "rx.dose.not_given")] == ["hold_dose"]


def test_what_is_written_passes_the_check_of_every_feed(folder: Path) -> None:
    _, events = read(folder)
    assert [decode(encode(event), None) for event in events] == [Decoded(event) for event in events]


def test_rebasing_moves_each_patient_alone_and_gives_new_ids(folder: Path) -> None:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    (_, plain), (_, moved) = read(folder), read(folder, day)
    shifts = {b.time - a.time for a, b in zip(plain, moved, strict=True)}
    assert len(shifts) == 2 and all(shift % timedelta(weeks=1) == timedelta() for shift in shifts)
    assert not {event.id for event in plain} & {event.id for event in moved}


def test_another_key_makes_other_cases_and_other_ids(folder: Path) -> None:
    (_, one), (_, other) = read(folder), read(folder, key="another key that is long enough")
    assert not {event.subject for event in one} & {event.subject for event in other}
    assert not {event.id for event in one} & {event.id for event in other}


def test_a_table_without_a_needed_column_is_refused_by_name(folder: Path) -> None:
    (folder / "poe.csv").write_text("poe_id,ordertime\n", encoding="utf-8")
    with pytest.raises(UsageFault, match=r"poe\.csv: no column transaction_type"):
        read(folder)


@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:-20], lambda packed: packed[:30] + b"x" * 20, lambda _: b"no"]
)
def test_a_damaged_packed_table_is_said_with_its_file(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    (folder / "poe.csv").unlink()
    (folder / "poe.csv.gz").write_bytes(damage(gzip.compress(POE.encode() * 50)))
    with pytest.raises(CallerFault, match=r"poe\.csv\.gz: cannot be read to its end .*; fetch it anew"):
        read(folder)


def test_a_table_in_another_encoding_is_said_with_its_file(folder: Path) -> None:
    (folder / "emar.csv").write_bytes(EMAR.encode() + "8,8-11,601,Vidé,,\n".encode("latin-1"))
    with pytest.raises(CallerFault, match=r"emar\.csv: not UTF-8, as the published tables are"):
        read(folder)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Administered", "rx.dose.administered"),
        ("Partial Administered", "rx.dose.administered"),
        ("Removed Existing / Applied New", "rx.dose.administered"),
        ("Not Given per Sliding Scale", "rx.dose.not_given"),
        ("Hold Dose", "rx.dose.not_given"),
        ("Flushed", None),
        ("Confirmed", None),
        ("", None),
    ],
)
def test_the_text_of_the_bedside_record_decides(text: str, kind: str | None) -> None:
    assert kind_of_dose(text) == kind
