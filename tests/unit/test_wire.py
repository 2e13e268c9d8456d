"""Bytes to events: what passes, and what is refused with which reason."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import wire
from models.wire import LARGEST, MAX_RECORD, Decoded, Rejected, decode, encode, stamp
from tests.heart import NOON, at, event

GOOD: dict[str, object] = {
    "specversion": "1.0",
    "id": "01K",
    "source": "/mercy/pis",
    "type": "rx.order.verified",
    "time": "2026-11-20T14:03:07-05:00",
    "subject": "order/7f3a",
    "recorded": "2026-11-20T14:03:09-05:00",
    "data": {"site": "mercy", "priority": "stat", "reason": None, "drug": {"code": "00409-1234-01", "schedule": "CII"}},
}


def read(changes: dict[str, object], data: dict[str, object] | None = None) -> Decoded | Rejected:
    record = {**GOOD, **changes}
    if data is not None:
        record["data"] = {"site": "mercy", **data}
    return decode(json.dumps({k: v for k, v in record.items() if v is not ...}).encode(), NOON)


def test_the_example_of_the_format_is_an_event() -> None:
    found = read({})
    assert isinstance(found, Decoded)
    assert found.event.time == datetime(2026, 11, 20, 19, 3, 7, tzinfo=UTC)
    assert "reason" not in found.event.data
    assert found.dropped == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ...}, "missing id"),
        ({"id": "x" * 10_000}, "bad id"),
        ({"source": 7}, "bad source"),
        ({"type": "Rx Order"}, "bad type"),
        ({"subject": "patient/jane"}, "subject"),
        ({"subject": "fill/1"}, "kind"),
        ({"subject": "order/Jane Doe"}, "bad subject"),
        ({"time": ...}, "missing time"),
        ({"time": "2026-11-20T14:03:07"}, "bad time"),
        ({"time": "2026-11-20"}, "bad time"),
        ({"time": "1899-12-31T00:00:00Z"}, "absurd time"),
        ({"time": "2300-01-01T00:00:00Z"}, "absurd time"),
        ({"time": "2026-11-22T14:03:07-05:00"}, "time ahead"),
        ({"recorded": "yesterday"}, "bad recorded"),
        ({"data": ...}, "missing data"),
        ({"data": {"priority": "stat"}}, "missing data.site"),
    ],
)
def test_what_cannot_be_an_event_is_refused_with_its_reason(changes: dict[str, object], reason: str) -> None:
    found = read(changes)
    assert isinstance(found, Rejected)
    assert found.reason == reason


@pytest.mark.parametrize(
    "data",
    [
        {"actor": "Jane Doe"},
        {"reason": "patient said it tastes odd"},
        {"qty": "two"},
        {"qty": True},
        {"codes": "75"},
        {"drug": "aspirin"},
        {"drug": {"code": "a b"}},
        {"promised": "2026-11-20T14:03:07"},
        {"voids": ["/mercy/pis"]},
        {"setting": "hospital"},
        {"station": "x" * 65},
    ],
)
def test_free_text_and_wrong_shapes_never_pass(data: dict[str, object]) -> None:
    found = read({}, data)
    assert isinstance(found, Rejected)
    assert found.reason == f"bad data.{next(iter(data))}" or found.reason == "bad data.drug.code"


def test_fields_outside_the_closed_list_are_dropped_and_counted() -> None:
    found = read({"traceparent": "x"}, {"patient_name": "Jane", "drug": {"code": "a", "name": "b"}})
    assert isinstance(found, Decoded)
    assert found.dropped == 2
    assert found.event.data == {"site": "mercy", "drug": {"code": "a"}}


@pytest.mark.parametrize("absent", ["recorded", "datacontenttype", "dataschema"])
def test_a_name_outside_the_format_is_counted_whichever_optional_one_is_absent(absent: str) -> None:
    optional = {"datacontenttype": "application/json", "dataschema": "x", absent: ...}
    found = read({"time": "2025-01-06T11:00:00Z", **optional, "traceparent": "x"})
    assert isinstance(found, Decoded)
    assert found.dropped == 1


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ({"codes": ["75", "a b"]}, "data.codes must be a code of 1 to 64 characters A-Z a-z 0-9 _ . : / -"),
        ({"codes": {}}, "data.codes must be a list of codes"),
        ({"links": {"dose": 7}}, "data.links.dose must be a code of 1 to 64 characters A-Z a-z 0-9 _ . : / -"),
        ({"links": []}, "data.links must be an object"),
        ({"voids": ["/a", "b", "c"]}, "data.voids must be [source, id] of the event that it takes back"),
        ({"amount": "1"}, "data.amount must be a number within 9007199254740992 either way"),
        ({"amount": 10**20}, "data.amount must be a number within 9007199254740992 either way"),
        ({"qty": 10**400}, "data.qty must be a number within 9007199254740992 either way"),
        ({"actor": ["a_1"]}, "data.actor must be a code of 1 to 64 characters A-Z a-z 0-9 _ . : / -"),
    ],
)
def test_a_refusal_names_the_place_and_the_remedy_and_never_the_content(data: dict[str, object], detail: str) -> None:
    for _ in range(2):
        found = read({}, data)
        assert isinstance(found, Rejected)
        assert found.detail == detail


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"id": "x" * 257}, "id: 257 characters; at most 256 are taken"),
        ({"id": ""}, "id must be text of 1 to 256 printable ASCII characters without a space"),
        ({"id": 7}, "id must be text of 1 to 256 printable ASCII characters without a space"),
        ({"source": "/" * 300}, "source: 300 characters; at most 256 are taken"),
        ({"type": "rx." + "a" * 98}, "type: 101 characters; at most 100 are taken"),
        ({"subject": "order/" + "7" * 129}, "subject: 129 characters after the kind; at most 128 are taken"),
        ({"subject": "order/a b"}, "subject must be a kind of case, a / and a key of 1 to 128 characters"),
    ],
)
def test_a_text_of_the_envelope_is_refused_with_its_length_and_the_limit(
    changes: dict[str, object], detail: str
) -> None:
    found = read(changes)
    assert isinstance(found, Rejected)
    assert found.detail.startswith(detail)


def test_the_limits_that_are_said_are_those_that_hold() -> None:
    for at_most in (
        {"id": "x" * 256},
        {"source": "/" * 256},
        {"type": "rx." + "a" * 97},
        {"subject": "order/" + "7" * 128},
    ):
        assert isinstance(read(at_most), Decoded), at_most


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("2026-11-20t14:03:07z", "2026-11-20T14:03:07Z"),
        ("2026-11-20T14:03:07z", "2026-11-20T14:03:07Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
        ("2016-12-31T18:59:60.5-05:00", "2016-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_that_the_standard_allows_is_read(told: str, meant: str) -> None:
    found = read({"time": told, "recorded": told})
    assert isinstance(found, Decoded) and stamp(found.event.time) == meant


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("2026-11-20T14:03:07", "time has no offset"),
        ("2026-11-20 14:03:07Z", "time has no T between date and time"),
        ("2026-11-20T14:03:60Z", "time has second 60, which there is only at 23:59:60 UTC"),
        ("2026-02-30T14:03:07Z", "time names no day and time that exist"),
        (1763650987, "time must be a text"),
    ],
)
def test_a_time_that_is_none_is_told_what_is_wrong_with_it(told: object, said: str) -> None:
    found = read({"time": told, "recorded": ...})
    assert isinstance(found, Rejected) and found.reason == "bad time" and found.detail.startswith(said)


def test_a_missing_recorded_is_the_receipt_or_in_a_file_the_time() -> None:
    record = json.dumps({**GOOD, "recorded": None, "time": "2025-01-06T11:00:00Z"}).encode()
    live, file = decode(record, NOON), decode(record, None)
    assert isinstance(live, Decoded)
    assert isinstance(file, Decoded)
    assert (live.event.recorded, file.event.recorded) == (NOON, at(-60))


def test_digits_past_the_microsecond_are_cut() -> None:
    found = read({"time": "2026-11-20T14:03:07.9999999Z"})
    assert isinstance(found, Decoded)
    assert found.event.time.microsecond == 999_999


@pytest.mark.parametrize("record", [b"", b"\xff\xfe\x00", b"[1]", b'"x"', b"{" * 100_000, b"null", b'{"a":NaN}'])
def test_bytes_that_are_no_event_are_values_not_exceptions(record: bytes) -> None:
    assert isinstance(decode(record, NOON), Rejected)


def test_a_record_above_the_limit_is_refused() -> None:
    found = decode(b" " * (MAX_RECORD + 1), NOON)
    assert isinstance(found, Rejected)
    assert found.reason == "too large"


@given(st.binary(max_size=200))
def test_no_bytes_raise(record: bytes) -> None:
    assert isinstance(decode(record, NOON), Decoded | Rejected)


@given(
    minutes=st.integers(-10_000, 10_000),
    micro=st.integers(0, 999_999),
    qty=st.floats(-LARGEST, LARGEST),
    codes=st.lists(st.from_regex(r"[A-Za-z0-9_.:/-]{1,64}", fullmatch=True), max_size=3),
)
def test_an_event_survives_the_wire(minutes: int, micro: int, qty: float, codes: list[str]) -> None:
    one = event("order.entered", minutes, promised=at(3) + timedelta(microseconds=micro), qty=qty, codes=codes)
    found = decode(encode(one), None)
    assert isinstance(found, Decoded)
    assert found.event == one


_VALUES = st.one_of(
    st.sampled_from(
        [
            *(v for v in GOOD.values() if isinstance(v, str)),
            "",
            " ",
            "a b",
            "x" * 257,
            "2026-11-20t14:03:07z",
            "20261120T140307Z",
        ]
    ),
    st.sampled_from(
        ["2026-11-20 14:03:07Z", "1899-12-31T23:59:59Z", "2300-01-01T00:00:00+14:00", "2026-11-20T14:03:60Z"]
    ),
    st.text(st.characters(min_codepoint=30, max_codepoint=130), max_size=6),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.just(...),
    st.lists(st.text(max_size=3), max_size=3),
)
_DATA = st.dictionaries(
    st.sampled_from([*sorted(wire.FIELDS), "name"]), _VALUES | st.dictionaries(st.text(max_size=4), _VALUES)
)


@given(
    st.dictionaries(st.sampled_from([*GOOD, "datacontenttype", "extra"]), _VALUES, max_size=3),
    st.one_of(st.just({"site": "mercy"}), _DATA),
)
def test_the_short_way_takes_only_what_the_long_one_takes_and_says_the_same(
    changes: dict[str, object], data: dict[str, object]
) -> None:
    record = {**GOOD, "data": data, **changes}
    said = json.dumps({k: v for k, v in record.items() if v is not ...}, default=lambda _: None).encode()
    assert decode(said, NOON) == wire._unusual(said, NOON)  # pyright: ignore[reportPrivateUsage]
