"""Rows of the database as the pharmacy's own values."""

from collections.abc import Sequence
from typing import Any

from models.event import CaseId, Site
from models.policy import Kind, Severity
from models.signals import Cleared, Signal, SignalId


def signal_of(about: Sequence[Any]) -> Signal:
    """The signal of a row `id kind name severity site case raised known cleared reason revision`."""
    name, kind, entry, severity, site, case, raised, known, cleared, reason, revision = about
    return Signal(
        id=SignalId(name),
        kind=Kind(kind),
        name=entry,
        severity=Severity(severity),
        site=Site(site),
        case=None if case is None else CaseId(case),
        raised=raised,
        known=known,
        cleared=cleared,
        reason=None if reason is None else Cleared(reason),
        revision=revision,
    )
