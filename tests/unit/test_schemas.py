"""The published schemas: they say what the decoder takes and what the relay sends, and the document on disk is theirs."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec import structs
from sqlalchemy import SmallInteger

import streams
from models.policy import Kind, Severity
from models.signals import Cleared, Signal, SignalId
from models.store.ledger import IntervalFact, SignalFact
from models.store.revisions import STEP
from models.store.tables.facts import IntervalRow, SignalChange, SignalRow
from models.wire import FIELDS, OBJECTS, Decoded, decode, encode
from rxpulse.cli import main
from streams import schemas
from streams.relay import public_record
from streams.simulate import PROFILES, SiteSpec, simulate
from tests.heart import NOON, at, event, watch

EVENT, INTERVAL, SIGNAL = (Draft202012Validator(made()) for made in schemas.SCHEMAS.values())
DOCUMENT = Path(streams.__file__).parents[1] / "docs" / "asyncapi.yaml"
CASE = watch(
    event("order.entered", 0, priority="stat"), event("order.verified", 30), event("dose.scheduled", 1), now=60
)
INTERVAL_2 = structs.replace(next(iter(CASE.intervals.values())), revision=2)


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_each_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schemas.SCHEMAS[name]())


@pytest.mark.parametrize("profile", PROFILES)
def test_simulated_events_are_valid(profile: str) -> None:
    running = simulate([SiteSpec("elm", profile)], NOON, 3)
    for _ in range(500):
        EVENT.validate(json.loads(encode(next(running))))


def test_the_schema_has_the_fields_of_the_decoder_and_no_others() -> None:
    data = schemas.event()["properties"]["data"]["properties"]
    assert set(data) == FIELDS
    assert {name: tuple(data[name]["properties"]) for name in OBJECTS} == OBJECTS


CODES = st.one_of(
    st.from_regex(r"[A-Za-z0-9_.:/-]{0,66}", fullmatch=True), st.sampled_from(["", "two words", "x" * 65, "inpatient"])
)
VALUES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), CODES),
    *(st.lists(CODES, max_size=3), st.dictionaries(st.sampled_from(["code", "dose", "other"]), CODES, max_size=2)),
)


@given(field=st.sampled_from(sorted(FIELDS - {"promised"})), value=VALUES)
@example(field="voids", value=["/x", "1"])
@example(field="qty", value=10**30)
@example(field="priority", value="")
@example(field="site", value=None)
@example(field="drug", value={"code": None})
def test_schema_and_decoder_take_the_same(field: str, value: object) -> None:
    record = json.loads(encode(event("order.entered", 0)))
    record["data"] = {"site": "mercy", field: value}
    taken = isinstance(decode(json.dumps(record).encode(), NOON), Decoded)
    assert EVENT.is_valid(record) == taken


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type", "time", "subject", "data"])
def test_what_the_decoder_requires_the_schema_requires(missing: str) -> None:
    record = json.loads(encode(event("order.entered", 0)))
    del record[missing]
    assert not EVENT.is_valid(record)
    assert not isinstance(decode(json.dumps(record).encode(), NOON), Decoded)


def sent(fact: IntervalFact | SignalFact) -> dict[str, Any]:
    return json.loads(public_record(fact, 0)[2])


def strictly(validator: Draft202012Validator, record: Mapping[str, Any]) -> None:
    """Valid, and without a field that the schema does not name."""
    validator.validate(record)
    assert list(record) == list(validator.schema["properties"])
    assert list(record["data"]) == list(validator.schema["properties"]["data"]["properties"])


def test_intervals_are_sent_as_their_schema_says() -> None:
    assert CASE.intervals
    for one in CASE.intervals.values():
        strictly(INTERVAL, sent(IntervalFact(0, 0, 0, one)))


def signal(**changes: object) -> Signal:
    about: dict[str, object] = {"severity": Severity.S1, "site": "mercy", "case": None, "raised": NOON, "known": at(1)}
    told = {"id": SignalId("0" * 32), "kind": Kind.FEED, "name": "/mercy/pis", **about, **changes}
    return Signal(**told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "one",
    [
        *CASE.signals.values(),
        signal(),
        *(signal(kind=kind, revision=2) for kind in Kind),
        *(signal(severity=severity) for severity in Severity),
        *(signal(cleared=at(2) + timedelta(microseconds=1), reason=reason) for reason in Cleared),
    ],
)
def test_signals_are_sent_as_their_schema_says(one: Signal) -> None:
    strictly(SIGNAL, sent(SignalFact(0, 0, 0, None, one)))


@pytest.mark.parametrize("fact", [SignalFact(0, 0, 0, None, signal(revision=2)), IntervalFact(0, 0, 0, INTERVAL_2)])
def test_of_facts_that_are_made_again_the_revision_goes_on_and_nothing_else_differs(
    fact: IntervalFact | SignalFact,
) -> None:
    first, again = (json.loads(public_record(fact, base)[2]) for base in (0, STEP))
    assert first["id"].endswith(".2") and first["data"].pop("revision") == 2
    assert again["id"].endswith(".100002") and again["data"].pop("revision") == 100_002
    strictly(SIGNAL if isinstance(fact, SignalFact) else INTERVAL, json.loads(public_record(fact, STEP)[2]))
    assert first.pop("id").partition(".")[0] == again.pop("id").partition(".")[0]
    assert first == again


def test_a_step_is_larger_than_any_revision_of_the_store() -> None:
    for row in (IntervalRow, SignalChange, SignalRow):
        assert isinstance(row.__table__.c.revision.type, SmallInteger)  # type: ignore[attr-defined]
    assert STEP > 2**15


def test_the_document_on_disk_is_that_of_the_code() -> None:
    found = CliRunner().invoke(main, ["topics", "asyncapi"])
    assert found.exit_code == 0
    assert DOCUMENT.read_text() == found.stdout, "run `rxpulse topics asyncapi > docs/asyncapi.yaml`"


def test_the_document_reads_as_what_was_written() -> None:
    assert yaml.safe_load(DOCUMENT.read_text()) == schemas.asyncapi()


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = yaml.safe_load(DOCUMENT.read_text())
    found = [value for name, value in _leaves(document) if name == "$ref"]
    assert found
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def _leaves(value: object, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, key)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner, name)]
    return [(name, value)]


@pytest.mark.parametrize("name", ["EVENT", "signal", "Interval"])
def test_the_command_prints_a_schema_whatever_the_case_of_its_name(name: str) -> None:
    found = CliRunner().invoke(main, ["topics", "schema", name])
    assert json.loads(found.stdout) == schemas.SCHEMAS[name.upper()]()
