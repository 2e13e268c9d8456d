"""Reports as files: built from one view of the store, written whole, and remembered with the digest of their facts.

A report whose facts are as they were is left alone, whoever asks and how often. Facts that became known since make one
revision more, in place of the file; which revisions there were stays in the store.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from models.errors import CallerFault, UsageFault
from models.event import Site
from models.period import REPORTED_AFTER, Week, due_weeks
from models.policy import Policies
from models.store.reporting import Reporting, Window, Written, reporting
from workflows.render import render
from workflows.report import Report, assemble, zone_of

KIND = "week"
OVERDUE_AFTER = timedelta(minutes=30)
"""So long Prefect has to run what is due; then the role writes it without."""
log = logging.getLogger("rxpulse.reports")


@dataclass(frozen=True, slots=True)
class Edition:
    """A report as its facts now are. `news`: it was never written with these facts."""

    report: Report
    html: str
    digest: str
    news: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """The facts of a site's weeks are not complete yet, and why."""

    reason: str


def edition(store: Reporting, policies: Policies, site: Site, week: Week) -> Edition:
    """The report of a week as it now is: under the last revision written if its facts are the same, else the next."""
    facts = store.facts(Window.of(site, zone_of(policies, site), week))
    last = store.written(KIND, site).get(week.label)
    news = last is None or last.digest != facts.digest
    revision = (last.revision if last else 0) + news
    report = assemble(site, week, facts, policies, revision)
    return Edition(report, render(report), facts.digest, news)


def asked_for(database_url: str, site: str, period: str | None) -> Edition:
    """The report that somebody asks for; `period` None: of the last week that is to be reported. Writes nothing. Raises
    UsageFault for a site that nobody heard of, a week that is not over or one whose facts have left, CallerFault where the
    store has no policy."""
    with reporting(database_url) as store:
        policies = store.policies()
        if policies is None:
            raise CallerFault("the store holds no policy yet: start a worker once, it brings the first version")
        if Site(site) not in policies.latest.sites and not store.seen(site):
            known = ", ".join(sorted({*policies.latest.sites, *store.sites()})) or "none yet"
            raise UsageFault(f"no site is called '{site}': there are {known}")
        zone, now = zone_of(policies, site), store.now()
        last = Week.reported_at(zone, now)
        week = Week.parse(period) if period else last
        if week > last:
            hours = REPORTED_AFTER.total_seconds() / 3600
            raise UsageFault(
                f"{week.label} is not over: a week is reported {hours:g} h after its end; last is {last.label}"
            )
        _check_kept(store.kept_since(), Window.of(site, zone, week), week)
        return edition(store, policies, Site(site), week)


def _check_kept(since: datetime | None, window: Window, week: Week) -> None:
    """A report of turnaround times that have left would show weeks without work."""
    if since is not None and window.weeks[0] < since:
        raise UsageFault(
            f"turnaround times are kept from {since:%Y-%m-%d} on, and a report of {week.label} looks back to"
            f" {window.weeks[0]:%Y-%m-%d}: ask for a later week; what was written then lies in RXPULSE_HOME/reports"
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """How the reports of a site stand. `waiting`: why its last week cannot be written yet, None where it can. `missing`:
    nobody has written it; `overdue`: nor has for half an hour. `reported` is the end of the last week written, UTC."""

    waiting: str | None
    missing: bool
    overdue: bool
    reported: datetime | None


def standing(database_url: str, site: str) -> Standing:
    """How the reports of a site stand now. Raises DatabaseAway."""
    with reporting(database_url) as store:
        policies = store.policies()
        if policies is None:
            return Standing("the store holds no policy yet", False, False, None)
        zone, now = zone_of(policies, site), store.now()
        last = Week.reported_at(zone, now)
        written = sorted(map(Week.parse, store.written(KIND, site)))
        missing = last not in written
        return Standing(
            waiting=_behind(store, site, last, zone) if missing else None,
            missing=missing,
            overdue=missing and now >= last.reported(zone) + OVERDUE_AFTER,
            reported=written[-1].ends(zone) if written else None,
        )


def declared(database_url: str) -> dict[str, str]:
    """The sites that the policy declares, each with its time zone; none while there is no policy. Raises DatabaseAway."""
    with reporting(database_url) as store:
        policies = store.policies()
        return {} if policies is None else {site: zone_of(policies, site) for site in policies.latest.sites}


def _behind(store: Reporting, site: str, week: Week, zone: str) -> str | None:
    if not store.seen(site):
        return "nothing was heard of the site yet"
    return store.behind(site, week.ends(zone), week.reported(zone))


def write_due(database_url: str, folder: Path, site: str) -> list[Written] | Waiting:
    """Writes what is due of a site into `folder`/SITE/PERIOD.html and returns what was written: its last week, weeks that
    an outage left out, revisions of earlier ones. Reports that stand as they are stay untouched."""
    with reporting(database_url) as store:
        store.lock(site)
        policies = store.policies()
        if policies is None:
            return Waiting("the store holds no policy yet")
        zone = zone_of(policies, site)
        last = Week.reported_at(zone, store.now())
        behind = _behind(store, site, last, zone)
        if behind is not None:
            return Waiting(behind)
        known = store.written(KIND, site)
        weeks = due_weeks([Week.parse(period) for period in known], last)
        found = [(known.get(week.label), edition(store, policies, Site(site), week)) for week in weeks]
        return [written for before, one in found if (written := _write(store, folder, before, one)) is not None]


def _write(store: Reporting, folder: Path, before: Written | None, one: Edition) -> Written | None:
    path = file_of(folder, one.report)
    if not one.news and before is not None and path == Path(before.path) and path.exists():
        return None
    save(path, one.html)
    written = Written(KIND, one.report.site, one.report.week.label, one.report.revision, one.digest, str(path))
    store.note(written)
    log.info("report %s of %s written, revision %d", written.period, written.site, written.revision)
    return written


def file_of(folder: Path, report: Report) -> Path:
    """Where a report lies, absolute. Names of sites that are no names of folders are written with %."""
    name = quote(report.site, safe="")
    return (
        folder.absolute() / (name.replace(".", "%2E") if name.startswith(".") else name) / f"{report.week.label}.html"
    )


def save(path: Path, html: str) -> None:
    """Writes a file whole or not at all. Raises CallerFault where it cannot be written."""
    half = path.with_name(path.name + ".half")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(html, "utf-8")
        half.replace(path)
    except OSError as fault:
        raise CallerFault(f"{path} cannot be written ({fault}): name a folder that you may write to") from fault


def figures(report: Report) -> Sequence[dict[str, object]]:
    """The turnaround figures of the week, ready for JSON: lengths in minutes, shares from 0 to 1, None without work."""
    return [
        {
            "clock": one.name,
            "n": one.this.n if one.this else 0,
            "due": one.this.due if one.this else 0,
            "in_target": one.this.in_target if one.this else None,
            "p50": one.this.median if one.this else None,
            "p90": one.this.p90 if one.this else None,
            "in_target_before": one.before.in_target if one.before else None,
            "p50_before": one.before.median if one.before else None,
            "verdict": one.judged.verdict.value,
            "reason": one.judged.reason,
        }
        for one in report.measures
    ]
