"""The policy as a text: a TOML file that a pharmacist edits becomes the policy that judges cases.

`load` and `parse` give the policy, `read` also the form in which the store keeps it and what is worth a second look. A
file that cannot be used raises `PolicyFault`, whose message lists every fault with file, line and remedy.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.policy import Policy
from models.policy_text.building import Built, build, undump
from models.policy_text.cautions import cautions, expected_false_alarms, warnings
from models.policy_text.explaining import explain, find, told
from models.policy_text.faults import Fault, PolicyFault, Table
from models.policy_text.faults import Path as Place
from models.policy_text.merging import Merged, Source, merge, overlay, read_file, read_toml
from models.policy_text.schema import json_schema
from models.policy_text.shape import check_shape
from models.policy_text.switched_off import Judging, everything_on, judging, switched_off

__all__ = [
    "Fault",
    "Judging",
    "Parsed",
    "PolicyFault",
    "changed",
    "expected_false_alarms",
    "explain",
    "find",
    "json_schema",
    "judging",
    "load",
    "parse",
    "parse_dump",
    "read",
    "shipped_default",
    "shipped_in_full",
    "switched_off",
    "told",
    "warnings",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """`dump` is the merged content as JSON text, the form that outlives a change of the shipped policies;
    `parse_dump(dump)` has the same version. `cautions` is what is allowed but worth a second look, each with its place."""

    policy: Policy
    dump: str
    cautions: tuple[Fault, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """The cautions as lines for people."""
        return tuple(map(str, self.cautions))


def load(path: Path | None) -> Policy:
    """The policy of a file; None: the shipped default, which extends all three shipped policies. Raises PolicyFault."""
    return shipped_default().policy if path is None else read(path).policy


def parse(text: str, *, file: str) -> Policy:
    """The policy of a TOML text; `file` is what faults name. Raises PolicyFault."""
    return read(text, file=file).policy


def read(source: Path | str, *, file: str = "policy") -> Parsed:
    """A policy from a file (a Path) or a TOML text (a str, which faults call `file`). Raises PolicyFault."""
    return _parsed(read_file(source) if isinstance(source, Path) else read_toml(source, file))


@cache
def shipped_default() -> Parsed:
    """What a stack starts with where no file is given."""
    return read("", file="shipped default")


@cache
def shipped_in_full() -> Policy:
    """The shipped default with all that it holds switched off switched on: what there is to choose from."""
    return parse(everything_on(), file="shipped default")


def parse_dump(text: str) -> Policy:
    """The policy of a stored dump, with the version it had. Raises PolicyFault for a text that is no dump, or one that
    this release cannot use."""
    return _usable(_built(_undumped(text), []))


def changed(dump: str, tables: Table, *, file: str) -> Parsed:
    """A stored policy with these tables, written as a TOML file would hold them, on top; `file` is what faults name.
    Raises PolicyFault."""
    faults: list[tuple[Place, str]] = []
    check_shape(tables, lambda path, message: faults.append((path, message)))
    return _checked(overlay(_undumped(dump), Source(file, tables, {})), faults)


def _undumped(text: str) -> Merged:
    try:
        tables, settings = undump(text)
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise PolicyFault([Fault("stored policy", None, "", f"cannot be read: {fault}")]) from fault
    return Merged(tables, settings, (Source("stored policy", tables, {}),))


def _parsed(site: Source) -> Parsed:
    faults: list[tuple[Place, str]] = []
    merged = merge(site, lambda path, message: faults.append((path, message)))
    check_shape(site.tables, lambda path, message: faults.append((path, message)))
    return _checked(merged, faults)


def _checked(merged: Merged, faults: list[tuple[Place, str]]) -> Parsed:
    built = _built(merged, faults)
    policy = _usable(built)
    found = tuple(merged.fault(path, message) for path, message in cautions(policy))
    return Parsed(policy=policy, dump=built.dump, cautions=found)


def _built(merged: Merged, faults: list[tuple[Place, str]]) -> Built:
    """Values with a fault of form are not read any further; all others are, so that one look shows every fault."""
    found = [merged.fault(path, message) for path, message in faults]
    return build(merged, found, {path for path, _ in faults})


def _usable(built: Built) -> Policy:
    if built.policy is None:
        raise PolicyFault(built.faults)
    return built.policy
