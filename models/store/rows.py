"""Rows of the database as the pharmacy's own values."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from models.event import CaseId, Site
from models.policy import Kind, Severity
from models.signals import Cleared, Signal, SignalId
from models.tracking import Interval

_MICROSECOND = timedelta(microseconds=1)


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


def interval_of(about: Sequence[Any]) -> Interval:
    """The interval of a row `id clock site priority case started stopped net target in_target revision retracted`,
    lengths in whole microseconds."""
    name, clock, site, priority, case, started, stopped, net, target, in_target, revision, retracted = about
    return Interval(
        id=name,
        clock=clock,
        site=Site(site),
        priority=priority,
        case=CaseId(case),
        started=started,
        stopped=stopped,
        net=net * _MICROSECOND,
        target=None if target is None else target * _MICROSECOND,
        in_target=in_target,
        revision=revision,
        retracted=retracted,
    )
