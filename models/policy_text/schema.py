"""The form of a policy file as JSON Schema 2020-12: which tables and keys there are and what may stand in each.

Editors complete a policy from it and `policy check` judges the form of a file by it (`models.policy_text.shape`), so the
two never differ. A `title` names what is expected and `examples` show it: both become part of a fault's message. Nothing
is required here, since a file says only what it changes; what an entry needs is judged after merging (`REQUIRED`).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, get_type_hints

from models.event import Data, Drug, Links
from models.event_types import CATALOGUE, KINDS
from models.policy import Channel, Kind, RuleName, Severity
from models.policy_text.durations import DURATION, SPAN

Node = dict[str, Any]
"""One node of a JSON Schema."""

SHIPPED = ("inpatient", "retail", "specialty")
"""The policies that a file may extend; each is named after the setting whose sites it judges."""
JUDGING = ("clock", "rule", "rate")
"""Tables whose entries judge work: they can be switched off, and belong to settings where they are shipped."""
FIGURES = frozenset(
    ("target", "counts", "warn_at", "worsens", "per_month", "baseline", "detect", "false_alarms_per_month")
)
"""The keys of an entry that its `source` is about."""
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "site": ("setting", "timezone"),
    "clock": ("case", "starts", "stops"),
    "rule": ("severity",),
    "rate": ("opportunity", "error", "per_month", "baseline", "detect", "false_alarms_per_month", "severity"),
    "roster": ("rotation", "timezone", "from"),
    "ladder": ("steps",),
    "step": ("to", "by"),
}
"""What an entry needs once everything is merged."""

_NAME = r"^[A-Za-z0-9_.-]{1,64}$"
_PORT = r"(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
_SERVER = rf"^smtps?://(\[[0-9A-Fa-f:.]+\]|[^\s/@:\[\]]+)(:{_PORT})?/?$"
_CODE = r"^[A-Za-z0-9_.:/-]{1,64}$"


def _matchable() -> Iterator[tuple[str, type]]:
    for name, hint in get_type_hints(Data).items():
        if hint in (Drug, Links):
            yield from ((f"{name}.{part}", str) for part in get_type_hints(hint))
        elif hint is not datetime and name != "voids":
            yield name, float if hint is float else str


FIELDS: Mapping[str, type] = dict(_matchable())
"""Dotted fields of an event that `when` and `per` may name: str (texts and lists of codes) or float."""
TIME_FIELDS = tuple(name for name, hint in get_type_hints(Data).items() if hint is datetime)
"""Fields of an event that are instants: the ones a target may name."""


def json_schema() -> Node:
    """The whole schema, a new value at each call; valid JSON Schema 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_table(
            extends=_one_or_list("extends", "The shipped policies that this file changes; left out: all three."),
            strict_sites=_flag("Refuse events of sites that are not declared here."),
            site=_named(_CODE, _site(), "A site by its code in the events; `default` judges undeclared ones."),
            feed=_named(r"^[!-~]{1,256}$", _feed(), "A source of events, such as `/mercy/pis`."),
            clock=_named(_NAME, _clock(), "A deadline on a piece of work."),
            rule=_rules(),
            rate=_named(_NAME, _rate(), "Something that may happen, but not this often."),
            person=_named(_NAME, _person(), "Somebody who can be told."),
            roster=_named(_NAME, _roster(), "Who is on duty when."),
            ladder=_named(_NAME, _ladder(), "Who is told about which signals, step by step; the first match wins."),
            tell=_table(within=_ref("length", "Signals older than this when found are recorded, not told.")),
            channel=_table(email=_email(), webhook=_webhook()),
        ),
        "title": "RxPulse policy",
        "description": "Clocks, rules and rates of a pharmacy and who is told. A file says what it changes of the "
        "shipped policies it extends.",
        "$defs": _definitions(),
    }


def _definitions() -> Node:
    return {name: node | {"description": _MEANS[name]} for name, node in _forms().items()}


_MEANS = {
    "length": "90s, 15m, 4h or 2d; a day is 24 hours.",
    "span": "90s, 15m, 4h or 2d, or business days of the site: 3bd is due at the end of the third one after the start.",
    "severity": "How urgent: S1 stop the line, harm may be near; S2 act now; S3 within the shift; S4 for the record.",
    "event": "What happened; `rxpulse topics types` says what each means and on which kinds of case it happens.",
    "setting": "The kind of pharmacy, which decides the shipped entries that judge a site.",
    "kind": "What raised the signal: a clock, a rule, a rate or a feed; RxPulse's own worker is the feed named worker.",
    "channel": "inbox is the board and needs nothing; email and webhook need an address of the person.",
    "extends": "The shipped policy on top of which this file stands; none: nothing is shipped.",
    "site": "The code by which events name the site.",
    "name": "What people read.",
    "addressee": "A person, or a roster: then whoever has duty at that moment.",
    "wall": "As the clock on the wall shows it in the roster's time zone.",
    "field": "A field of an event's data; of drug and links with a point, such as links.dose.",
    "scalar": "A text or a number that the field has to equal; an empty text matches a field that is absent.",
}


def _forms() -> Node:
    return {
        "length": _text("a duration", DURATION, "15m", "2d"),
        "span": _text("a duration or a number of business days", SPAN, "15m", "3bd"),
        "severity": _choice("a severity", [severity.name for severity in Severity]),
        "event": _choice("an event type", list(CATALOGUE)),
        "setting": _choice("a setting", list(SHIPPED)),
        "kind": _choice("a kind of signal", [kind.value for kind in Kind]),
        "channel": _choice("a channel", [channel.value for channel in Channel]),
        "extends": _choice("a shipped policy", [*SHIPPED, "none"]),
        "site": _text("a site", _CODE, "mercy"),
        "name": _text("a name", r"^\S.*$", "stat-verified"),
        "addressee": _text("whom to tell", r"^(person|roster):.+$", "person:ana", "roster:lead-pharmacist"),
        "wall": _text("a local time without offset", r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?$", "2026-12-24T07:00"),
        "field": _choice("a field of an event", list(FIELDS)),
        "scalar": {"title": "a value", "examples": ["stat"], "anyOf": [{"type": "string"}, {"type": "number"}]},
    }


def _site() -> Node:
    return _table(
        name=_ref("name", "What people call the site."),
        setting=_ref("setting", "Which shipped entries judge it."),
        timezone=_text("an IANA time zone", r"^\S+$", "America/New_York"),
        open={
            "title": "opening hours",
            "description": "`always`, or times by day; up to 24:00, past midnight is two entries.",
            "examples": ["always", {"mon-fri": "08:00-21:00"}],
            "anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": _strings("opening times")}],
        },
        holidays=_strings("holidays", "us-federal", "2026-12-24"),
    )


def _feed() -> Node:
    return _table(
        silent_after=_ref("length", "Silence longer than this, in open hours, is a signal; left out: learned."),
        severity=_ref("severity", "Of the signal that the feed is silent."),
        pseudonymise=_flag("Replace ids of this source by keyed pseudonyms at the intake."),
    )


def _clock() -> Node:
    match = {"title": "a value or a list of values", "examples": ["stat", ["", "New"]]}
    value: Node = {**match, "anyOf": [{"$ref": "#/$defs/scalar"}, _list({"$ref": "#/$defs/scalar"})]}
    return _table(
        **_heading(),
        case=_choice("a kind of case", list(KINDS)),
        per=_ref("field", "One instance for each value of this field, such as `links.dose`."),
        starts=_one_or_list("event", "What starts the clock."),
        stops=_one_or_list("event", "What stops it: the work is done."),
        ends=_one_or_list("event", "The clock no longer matters: no interval, no breach."),
        pauses=_list(_pair("event"), least=0) | {"description": "Time that does not count."},
        when={
            "title": "fields of the case and the values that match",
            "examples": [{"priority": "stat"}],
            "type": "object",
            "properties": dict.fromkeys(FIELDS, value) | _nested(value),
            "additionalProperties": False,
        },
        target={
            "title": "a target",
            "description": "A duration, business days, or an instant in a field of the start event plus a duration.",
            "examples": ["10m", "3bd", {"field": "promised", "plus": "30m"}],
            "anyOf": [
                {"$ref": "#/$defs/span"},
                _table(field=_choice("a field that is a time", list(TIME_FIELDS)), plus=_ref("length")),
            ],
        },
        counts=_choice("what counts", ["elapsed", "open-hours"]),
        warn_at=_number("a share of the target", exclusiveMinimum=0, exclusiveMaximum=1, examples=[0.5]),
        worsens=_list(
            _table(at=_number("times the target", exclusiveMinimum=1, examples=[2.0]), severity=_ref("severity")),
            least=0,
        ),
        severity=_ref("severity", "Of the breach; a warning is one less urgent."),
        sites=_one_or_list("site", "Only these sites."),
    )


def _nested(value: Node) -> Node:
    tables: dict[str, Node] = {}
    for name in FIELDS:
        table, dot, part = name.partition(".")
        if dot:
            tables.setdefault(table, _table())["properties"][part] = value
    return dict(tables)


def _rules() -> Node:
    entry = _table(**_heading(), severity=_ref("severity"), sites=_one_or_list("site", "Only these sites."))
    return {**_table(**{name.value: entry for name in RuleName}), "description": "What must never be."}


def _rate() -> Node:
    return _table(
        **_heading(),
        opportunity=_one_or_list("event", "What counts as an opportunity."),
        error=_one_or_list("event", "What counts as an error: all of them opportunities too, or none."),
        per_month=_number("opportunities a site and month", exclusiveMinimum=0, examples=[20000]),
        baseline=_number("errors per opportunity when all is as usual", exclusiveMinimum=0, examples=[0.05]),
        detect=_number("the odds ratio worth finding", exclusiveMinimum=1, examples=[2.0]),
        false_alarms_per_month=_number("false alarms a site and month", exclusiveMinimum=0, examples=[1, 0.1]),
        late_after=_ref("length", "Outcomes recorded later than this belong to reports only."),
        severity=_ref("severity"),
        sites=_one_or_list("site", "Only these sites."),
    )


def _heading() -> Node:
    return {
        "enabled": _flag("false switches the entry off."),
        "title": _text("a title", r"^\S.*$", "STAT order verified by a pharmacist"),
        "source": _text("where the figure comes from", r"^\S.*$", "CJHP 2011;64:346"),
    }


def _person() -> Node:
    return _table(
        name=_ref("name", "What people call him or her."),
        email=_text("an e-mail address", r"^[^@\s]+@[^@\s]+$", "ana@example.org"),
        webhook=_text("a web address", r"^https?://[^\s/]+\S*$", "https://hooks.example.org/ana"),
    )


def _roster() -> Node:
    person = {"type": "string", "title": "a person", "examples": ["ana"]}
    wall = {"$ref": "#/$defs/wall"}
    return _table(
        rotation=_list(person),
        timezone=_text("an IANA time zone", r"^\S+$", "America/New_York"),
        **{
            "from": _text(
                "a local date or time without offset", r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?$", "2026-11-02"
            )
        },
        handover=_text(
            "a time of day, or a weekday and a time",
            r"^((mon|tue|wed|thu|fri|sat|sun) )?([01]\d|2[0-3]):[0-5]\d$",
            "mon 07:00",
            "07:00",
        ),
        overrides=_list(_table(**{"from": wall, "to": wall, "who": person}), least=0),
    )


def _ladder() -> Node:
    step = _table(
        after=_ref("length", "From the start of the loop."),
        to=_list({"$ref": "#/$defs/addressee"}),
        by=_list({"$ref": "#/$defs/channel"}),
    )
    return _table(
        **{
            "for": _table(
                severity=_one_or_list("severity"),
                site=_one_or_list("site"),
                setting=_one_or_list("setting"),
                kind=_one_or_list("kind"),
                name=_one_or_list("name"),
            )
        },
        steps=_list(step),
        repeat=_table(
            from_step=_number("a step, counted from 1", whole=True, minimum=1, examples=[1]),
            times=_number("how many further loops", whole=True, minimum=0, maximum=1000, examples=[3]),
            after=_ref("length", "From the last step."),
        ),
        ack_expires=_text('a duration, or "none"', DURATION.replace("^", "^(").replace("$", "|none)$"), "15m", "none"),
    )


def _email() -> Node:
    return _table(
        smtp=_text("a mail server without user and password", _SERVER, "smtp://localhost:2525"),
        user=_text("a user of the mail server", r"^\S.*$", "rxpulse"),
        password_file=_text("a file", r"^\S.*$", "smtp.password"),
        **{"from": _text("an e-mail address", r"^[^@\s]+@[^@\s]+$", "rxpulse@example.org")},
    )


def _webhook() -> Node:
    return _table(
        secret_file=_text("a file", r"^\S.*$", "webhook.secret"),
        allow_private=_flag("Let webhooks go to private and loopback addresses."),
    )


def _table(**keys: Node) -> Node:
    return {"type": "object", "title": "a table", "properties": keys, "additionalProperties": False}


def _named(pattern: str, entry: Node, description: str) -> Node:
    return {
        "type": "object",
        "title": "a table of entries by name",
        "description": description,
        "propertyNames": {"pattern": pattern},
        "additionalProperties": entry,
    }


def _text(title: str, pattern: str, *examples: str) -> Node:
    return {"type": "string", "title": title, "pattern": pattern, "examples": list(examples)}


def _choice(title: str, values: list[str]) -> Node:
    return {"type": "string", "title": title, "enum": values}


def _number(title: str, *, whole: bool = False, **bounds: object) -> Node:
    return {"type": "integer" if whole else "number", "title": title, **bounds}


def _flag(description: str) -> Node:
    return {"type": "boolean", "title": "true or false", "examples": [True, False], "description": description}


def _list(item: Node, *, least: int = 1) -> Node:
    return {"type": "array", "title": "a list", "items": item, "minItems": least}


def _pair(name: str) -> Node:
    return _table(**{"from": {"$ref": f"#/$defs/{name}"}, "to": {"$ref": f"#/$defs/{name}"}})


def _ref(name: str, description: str = "") -> Node:
    return {"$ref": f"#/$defs/{name}"} | ({"description": description} if description else {})


def _one_or_list(name: str, description: str = "") -> Node:
    ref: Node = {"$ref": f"#/$defs/{name}"}
    return {"anyOf": [ref, _list(ref)]} | ({"description": description} if description else {})


def _strings(title: str, *examples: str) -> Node:
    either = [{"type": "string"}, _list({"type": "string"})]
    return {"title": title, "examples": list(examples) or ["09:00-12:00"], "anyOf": either}
