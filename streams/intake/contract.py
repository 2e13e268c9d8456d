"""What the intake's one door takes and answers, as OpenAPI says it: for programs that are written against it."""

from typing import Any

from models.event_types import CATALOGUE, KINDS
from models.wire import FIELDS

SINGLE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_TIME = {"type": "string", "format": "date-time", "description": "ISO 8601 with an offset."}
EVENT: dict[str, Any] = {
    "type": "object",
    "title": "Event",
    "description": "CloudEvents 1.0 in structured mode. Attributes and fields that are not named here are dropped.",
    "required": ["specversion", "id", "source", "type", "time", "subject", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "maxLength": 256, "description": "Unique for each source."},
        "source": {"type": "string", "maxLength": 256, "examples": ["/mercy/pis"]},
        "type": {"type": "string", "examples": list(CATALOGUE)[:3], "description": "See `rxpulse topics types`."},
        "time": _TIME,
        "subject": {"type": "string", "pattern": f"^({'|'.join(KINDS)})/[A-Za-z0-9_.:/-]{{1,128}}$"},
        "recorded": {**_TIME, "description": "When it became known; left out: when it is received here."},
        "datacontenttype": {"const": "application/json"},
        "data": {
            "type": "object",
            "required": ["site"],
            "properties": {name: {} for name in sorted(FIELDS)} | {"site": {"type": "string", "maxLength": 64}},
        },
    },
}
_COUNT = {"type": "integer", "minimum": 0}
TAKEN: dict[str, Any] = {
    "type": "object",
    "title": "Taken",
    "required": ["accepted", "dropped_fields", "unknown_sites", "unknown_types"],
    "properties": dict.fromkeys(("accepted", "dropped_fields", "unknown_sites", "unknown_types"), _COUNT),
}
REFUSAL: dict[str, Any] = {
    "type": "object",
    "title": "Refusal",
    "description": "Nothing was taken. `items` names what is wrong with which item, counted from 0.",
    "required": ["error", "items"],
    "properties": {
        "error": {"type": "string"},
        "reason": {"type": "string", "description": "Of 429 alone: `worker behind`."},
        "behind_seconds": {"type": "number", "description": "Of 429 alone: how far the worker is behind."},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "id", "reason", "detail"],
                "properties": {
                    "index": _COUNT,
                    "id": {"type": ["string", "null"]},
                    "reason": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
BODY: dict[str, Any] = {
    "required": True,
    "content": {SINGLE: {"schema": EVENT}, BATCH: {"schema": {"type": "array", "items": EVENT}}},
}


def _answer(meaning: str, *headers: str) -> dict[str, Any]:
    found = {"description": meaning, "content": {"application/json": {"schema": REFUSAL}}}
    return found | ({"headers": {name: {"schema": {"type": "string"}} for name in headers}} if headers else {})


ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Taken: every event lies in Kafka, confirmed.",
        "content": {"application/json": {"schema": TAKEN}},
    },
    400: _answer("Something is wrong with the body or with items of it."),
    401: _answer("No bearer token, or none that is good.", "WWW-Authenticate"),
    403: _answer("The token is not bound to the source or site of an item."),
    408: _answer("The body came too slowly."),
    413: _answer("The body or an event is too large."),
    415: _answer("Another media type than the two."),
    429: _answer("The worker is behind: try again later.", "Retry-After"),
    503: _answer("Kafka or the store does not answer: send the same again later.", "Retry-After"),
}
