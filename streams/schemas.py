"""The public records as JSON Schema, and all topics as one AsyncAPI document: for whoever writes or reads beside RxPulse.

What an event may hold is told from the same words that the decoder checks, so the two cannot say different things. Fields
may be added to a record; none is renamed or dropped without a major version.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from models.event_types import CATALOGUE, KINDS
from models.policy import Kind, Severity
from models.signals import Cleared
from models.wire import CODE, FIELDS, KEY, LARGEST, MAX_RECORD, NAME, NUMBERS, OBJECTS, SETTINGS, TYPE
from streams.admission import DROPPED
from streams.topics import DEADLETTER, EVENTS, INTERVALS, SIGNALS

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
VERSION = "1.0.0"
"""Of the public records."""


def event() -> Schema:
    """One record of `rx.events`, as every sender writes it."""
    envelope = {
        "specversion": {"const": "1.0"},
        "id": _text(NAME, "Unique for its source."),
        "source": _text(NAME, "The system that says so, such as /mercy/pis."),
        "type": _text(
            TYPE, "What happened. Types outside the list of `rxpulse topics types` are counted and move nothing."
        )
        | {"examples": sorted(CATALOGUE)[:3]},
        "time": _instant("When it happened, with an offset, in the years 1900 to 2299."),
        "subject": _text(f"({'|'.join(KINDS)})/{KEY}", "The case: its kind and its key. The record's Kafka key too."),
        "recorded": _or_null(_instant("When it became known; where it is missing, the time of receipt.")),
        "datacontenttype": {"description": "Not read."},
        "dataschema": {"description": "Not read."},
        "data": {
            "type": "object",
            "description": "A closed list of coded fields; others are dropped and counted. Null says nothing.",
            "required": ["site"],
            "properties": {name: _field(name) for name in sorted(FIELDS)},
        },
    }
    required = ["specversion", "id", "source", "type", "time", "subject", "data"]
    return _record("Event", "Something that happened once in a pharmacy. CloudEvents 1.0.", envelope, required)


def interval() -> Schema:
    """One record of `rx.intervals`."""
    data = {
        "interval": _id("The id of the interval. Of one id the highest revision counts."),
        "clock": _said("The clock of the policy that was stopped."),
        "site": _said("The site of the event that started it."),
        "priority": _said("The priority of the case as of the start; empty where none was said."),
        "case": _said("The id of the case."),
        "started": _instant("When the clock started."),
        "stopped": _instant("When it stopped."),
        "net_seconds": _number("How long that took, less pauses and, where the clock says so, closed hours.", False),
        "target_seconds": _number("How long it may take; null where no length was promised."),
        "in_target": {"type": ["boolean", "null"], "description": "Null where nothing was due."},
        "revision": _revision(),
        "state": {"enum": ["closed", "retracted"], "description": "retracted: late evidence took it away."},
    }
    return _public("Interval", "A stopped clock: a turnaround time.", "rx.interval", ("closed", "retracted"), data)


def signal() -> Schema:
    """One record of `rx.signals`."""
    data = {
        "signal": _id("The id of the signal. Of one id the highest revision counts."),
        "kind": {"enum": [kind.value for kind in Kind], "description": "What it is about."},
        "name": _said("The clock, rule or rate of the policy; of a silent feed its source."),
        "severity": {"enum": [one.name for one in Severity], "description": "S1 is the gravest."},
        "site": _said("The site."),
        "case": {"type": ["string", "null"], "description": "The id of the case; null where it is about none."},
        "raised": _instant("The instant from which it is true at this severity."),
        "known": _instant("The later of that and the instant at which its last evidence became known."),
        "cleared": _or_null(_instant("When it was over; null while it is open.")),
        "reason": {"enum": [*(one.value for one in Cleared), None], "description": "Why it is over."},
        "revision": _revision(),
        "state": {"enum": ["open", "cleared"]},
    }
    return _public("Signal", "Something that a person may have to know.", "rx.signal", ("raised", "cleared"), data)


SCHEMAS = {"EVENT": event, "INTERVAL": interval, "SIGNAL": signal}
"""By the name that `rxpulse topics schema` takes."""


def _public(title: str, text: str, kind: str, states: tuple[str, ...], data: Schema) -> Schema:
    envelope = {
        "specversion": {"const": "1.0"},
        "id": _text(r"[0-9a-f]{32}\.[1-9][0-9]*", "The id and the revision: the same however often it is sent."),
        "source": {"const": "/rxpulse"},
        "type": {"enum": [f"{kind}.{state}" for state in states]},
        "time": _instant("When it became so."),
        "subject": _said("The case; of a signal about none, the site."),
        "datacontenttype": {"const": "application/json"},
        "data": {"type": "object", "required": list(data), "properties": data},
    }
    return _record(title, text, envelope, list(envelope))


def _record(title: str, text: str, properties: Schema, required: list[str]) -> Schema:
    about = {"$schema": DRAFT, "title": title, "description": text}
    return {**about, "type": "object", "required": required, "properties": properties}


def _field(name: str) -> Schema:
    if name == "site":
        return _text(CODE, "The pharmacy's site.")
    if name in NUMBERS:
        return {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}
    if name in OBJECTS:
        return {"type": ["object", "null"], "properties": {part: _or_null(_text(CODE)) for part in OBJECTS[name]}}
    match name:
        case "setting":
            return {"enum": [*SETTINGS, None]}
        case "priority":
            return _or_null(_text(f"({CODE})?"))
        case "promised":
            return _or_null(_instant())
        case "codes":
            return {"type": ["array", "null"], "items": _text(CODE)}
        case "voids":
            pair = {"minItems": 2, "maxItems": 2, "items": _text(NAME)}
            return {"type": ["array", "null"], **pair, "description": "[source, id] of the event that it takes back."}
        case _:
            return _or_null(_text(CODE))


def _text(pattern: str, description: str = "") -> Schema:
    return _described({"type": "string", "pattern": f"^{pattern}$"}, description)


def _instant(description: str = "") -> Schema:
    return _described({"type": "string", "format": "date-time"}, description)


def _said(description: str) -> Schema:
    return _described({"type": "string"}, description)


def _id(description: str) -> Schema:
    return _text("[0-9a-f]{32}", description)


def _number(description: str, null: bool = True) -> Schema:
    return _described({"type": ["number", "null"] if null else "number"}, description)


def _revision() -> Schema:
    text = (
        "Rises with whatever is issued under one id: 1, 2, ...; 100001, 100002, ... once all facts were made again with"
        " `rxpulse reset --facts`, and so on by hundred thousands."
    )
    return {"type": "integer", "minimum": 1, "description": text}


def _described(schema: Schema, description: str) -> Schema:
    return schema | {"description": description} if description else schema


def _or_null(schema: Schema) -> Schema:
    return schema | {"type": [schema["type"], "null"]}


def asyncapi() -> Schema:
    """Every public topic, as AsyncAPI 3."""
    channels = {
        EVENTS: ("Event", f"Everything that happened: the record. At most {MAX_RECORD} bytes each.", "case id"),
        INTERVALS: ("Interval", "Closed clocks, each at least once.", "case id"),
        SIGNALS: ("Signal", "Signals raised, risen and cleared, each at least once.", "signal id"),
        DEADLETTER: ("DeadLetter", "Records of rx.events that cannot be events, unchanged.", "key of the record"),
    }
    messages = {
        "Event": _message(event(), "data.site and data.links say where; the subject is the key.")
        | {"headers": {"type": "object", "properties": {DROPPED: _text("[0-9]+", "Fields that the intake dropped.")}}},
        "Interval": _message(interval(), "Keep the highest revision of each id; drop what is retracted."),
        "Signal": _message(signal(), "Keep the highest revision of each id."),
        "DeadLetter": _dead_letter(),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "RxPulse",
            "version": VERSION,
            "description": "What flows into and out of RxPulse through Apache Kafka.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {name: _channel(name, *about) for name, about in channels.items()},
        "operations": {
            "takeEvents": _operation("receive", EVENTS, "Event"),
            "publishIntervals": _operation("send", INTERVALS, "Interval"),
            "publishSignals": _operation("send", SIGNALS, "Signal"),
            "putAside": _operation("send", DEADLETTER, "DeadLetter"),
        },
        "components": {"messages": messages},
    }


def _channel(name: str, message: str, holds: str, key: str) -> Schema:
    return {
        "address": name,
        "description": f"{holds} Keyed by the {key}.",
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _operation(action: str, channel: str, message: str) -> Schema:
    at = f"#/channels/{channel}"
    return {"action": action, "channel": {"$ref": at}, "messages": [{"$ref": f"{at}/messages/{message}"}]}


def _message(schema: Schema, summary: str) -> Schema:
    payload = {name: value for name, value in schema.items() if name not in ("$schema", "title")}
    return {"name": schema["title"], "title": schema["title"], "summary": summary, "payload": payload}


def _dead_letter() -> Schema:
    headers = {
        "reason": _said("From a closed list, for counting."),
        "detail": _said("The place and the remedy."),
        "topic": {"const": EVENTS},
        "partition": _text("[0-9]+"),
        "offset": _text("[0-9]+"),
        "cut-from-bytes": _text("[0-9]+", "How long the record was, where it was too long to be kept whole."),
        "key-cut-from-bytes": _text("[0-9]+", "How long its key was, where that was too long."),
    }
    required = [name for name in headers if not name.endswith("cut-from-bytes")]
    return {
        "name": "DeadLetter",
        "title": "DeadLetter",
        "summary": "The bytes as they came; the headers say why and from where.",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "required": required, "properties": headers},
        "payload": {"description": "Whatever was sent."},
    }


def yaml(document: Mapping[str, Any]) -> str:
    """The document as YAML 1.2: names as they are, every text quoted."""
    return "\n".join(_lines(document, "")) + "\n"


def _lines(document: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in document.items():
        key = f"{indent}{json.dumps(name) if name.startswith('$') else name}:"
        match value:
            case dict() if value:
                yield key
                yield from _lines(value, indent + "  ")
            case list() if value and isinstance(value[0], dict):
                yield key
                for item in value:
                    first, *rest = _lines(item, indent + "    ")
                    yield f"{indent}  - {first.strip()}"
                    yield from rest
            case _:
                yield f"{key} {json.dumps(value, ensure_ascii=False)}"
