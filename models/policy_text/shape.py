"""Whether a file has the form of a policy: known tables and keys, and the right sort of value in each.

It reads the schema that editors use and understands exactly the words that schema is written in; a test holds its verdict
against an independent validator. What it adds is the remedy: the nearest known name, or what to write.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import cast

from models.policy_text.faults import Path, Report, Table, near, written
from models.policy_text.schema import REQUIRED, Node, json_schema

_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "minimum": (lambda value, bound: value >= bound, "at least"),
    "maximum": (lambda value, bound: value <= bound, "at most"),
    "exclusiveMinimum": (lambda value, bound: value > bound, "above"),
    "exclusiveMaximum": (lambda value, bound: value < bound, "below"),
}


def check_shape(tables: Table, report: Report) -> None:
    """Reports what in a file's tables is not of the form that `json_schema` describes."""
    _check(_root(), tables, (), report)


@cache
def _root() -> Node:
    return json_schema()


def _check(node: Node, value: object, path: Path, report: Report) -> None:
    node = _resolved(node)
    if "anyOf" in node:
        _check_any(node, value, path, report)
    elif not _is(node.get("type"), value):
        report(path, _wrong(node, value))
    elif isinstance(value, dict):
        _check_table(node, cast("Table", value), path, report)
    elif isinstance(value, list):
        _check_list(node, cast("list[object]", value), path, report)
    elif fault := _scalar_fault(node, value):
        report(path, fault)


def _resolved(node: Node) -> Node:
    ref = node.get("$ref")
    return node if ref is None else {**_root()["$defs"][ref.rpartition("/")[2]], **node}


def _is(kind: object, value: object) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return True


def _check_any(node: Node, value: object, path: Path, report: Report) -> None:
    """One alternative has to hold; if none does, the one of the right type says why, where there is one only."""
    options = [_resolved(option) for option in node["anyOf"]]
    if any(_fits(option, value) for option in options):
        return
    alike = [option for option in options if _is(option.get("type"), value) and "anyOf" not in option]
    if len(alike) == 1:
        _check(alike[0], value, path, report)
    else:
        report(path, _wrong(node if "title" in node else options[0], value))


def _fits(node: Node, value: object) -> bool:
    faults: list[str] = []
    _check(node, value, (), lambda _path, message: faults.append(message))
    return not faults


def _check_table(node: Node, table: Table, path: Path, report: Report) -> None:
    known: Node = node.get("properties", {})
    others = node.get("additionalProperties", True)
    pattern = node.get("propertyNames", {}).get("pattern", "")
    for key, value in table.items():
        if key in known:
            _check(known[key], value, (*path, key), report)
        elif others is False:
            report((*path, key), f"unknown key; {near(key, known)}")
        elif not re.search(pattern, key):
            report((*path, key), f"not a name that can be used; it has to match {pattern}")
        elif others is not True:
            _check(others, value, (*path, key), report)


def _check_list(node: Node, values: list[object], path: Path, report: Report) -> None:
    if len(values) < node.get("minItems", 0):
        needed = bool(path) and any(path[-1] in keys for keys in REQUIRED.values())
        report(path, "an empty list; name at least one" + ("" if needed else ", or leave the key out"))
    for position, value in enumerate(values):
        _check(node["items"], value, (*path, position), report)


def _scalar_fault(node: Node, value: object) -> str | None:
    if "enum" in node and value not in node["enum"]:
        return _not_among(node, value)
    if "pattern" in node and not re.search(node["pattern"], str(value)):
        return _wrong(node, value)
    for word, (holds, said) in _BOUNDS.items():
        if word in node and not holds(float(cast("float", value)), node[word]):
            return f"{written(value)} is not {said} {node[word]}; write {node['title']},{_examples(node)}"
    return None


_MEANT = {
    ("a kind of signal", "worker"): 'for RxPulse\'s own worker write kind = ["feed"], name = ["worker"]',
}
"""What a value that many would write is called here, by the title of its form."""


def _not_among(node: Node, value: object) -> str:
    if meant := _MEANT.get((node["title"], str(value))):
        return f"{written(value)} is not {node['title']}; {meant}"
    otherwise = "`rxpulse topics types` lists them" if node["title"] == "an event type" else ""
    return f"{written(value)} is not {node['title']}; {near(str(value), node['enum'], otherwise)}"


def _wrong(node: Node, value: object) -> str:
    return f"{written(value)} is not {node.get('title', 'a text')}; write{_examples(node) or ' it so'}"


def _examples(node: Node) -> str:
    shown: Iterable[object] = node.get("examples") or node.get("enum", ())
    texts = [written(example) for example in list(shown)[:4]]
    return " for instance " + " or ".join(texts) if texts else ""
