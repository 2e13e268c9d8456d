"""Near misses, complaints and errors that people report, and what else a quality officer sees: records opened, duties.

Reports are few and made by people, hours after the fact; each is answered and closed, some of them late.
"""

from models.event import CaseId
from streams.simulation.chances import lasting
from streams.simulation.clockwork import Process
from streams.simulation.pharmacy import Pharmacy

REPORTED_AFTER = lasting(3 * 3600, 0.9)
ANSWERED_AFTER = lasting(30 * 3600, 0.9)
CLOSED_AFTER = lasting(6 * 86_400, 0.6)
DUTY_DONE_AFTER = lasting(2.2 * 86_400, 0.6)
CAUSES = ("staffing", "lookalike", "interruption", "software", "handover")
DUTIES = ("cs_inventory", "temperature_log_review", "override_review", "expiry_check")
COMPLAINTS_PER_WEEK, ERRORS_PER_WEEK, CHARTS_PER_DAY = 2.0, 0.25, 12.0


def near_miss(site: Pharmacy, case: CaseId) -> None:
    """What the final check caught may be reported, later."""
    if site.happens(site.chances.near_miss_reported):
        link = "fill" if case.startswith("fill/") else "order"
        site.start(_report(site, "rx.incident.near_miss", {link: case}), site.took(REPORTED_AFTER))


def reporting(site: Pharmacy) -> Process:
    """Complaints, and rarely an error that reached a patient, for ever."""
    per_week = (COMPLAINTS_PER_WEEK + ERRORS_PER_WEEK) * site.spec.volume
    while True:
        yield site.luck.expovariate(per_week / 604_800)
        serious = site.happens(ERRORS_PER_WEEK / (COMPLAINTS_PER_WEEK + ERRORS_PER_WEEK))
        name = "rx.incident.error_reached_patient" if serious else "rx.incident.complaint"
        site.start(_report(site, name, {}))


def _report(site: Pharmacy, name: str, links: dict[str, str]) -> Process:
    case, feed = site.key("incident"), site.feeds["quality"]
    said = {"links": links} if links else {}
    site.say(name, case, feed, reason=site.luck.choice(("wrong_drug", "quantity", "wait", "label", "service")), **said)
    yield site.took(ANSWERED_AFTER)
    site.say("rx.incident.answered", case, feed)
    yield site.took(CLOSED_AFTER)
    site.say("rx.incident.closed", case, feed, reason=site.luck.choice(CAUSES))


def charts_opened(site: Pharmacy) -> Process:
    """Records that somebody looked at, for ever."""
    while True:
        yield site.luck.expovariate(CHARTS_PER_DAY * site.spec.volume / 86_400)
        actor = site.pseudonym(f"pharmacist/0/{site.luck.randrange(4)}")
        site.say("rx.access.chart_opened", site.key("access"), site.feeds["quality"], actor=actor, role="pharmacist")


def duties(site: Pharmacy) -> Process:
    """Duties with a date, one every few days, for ever; most are done in time."""
    while True:
        yield site.luck.expovariate(1 / (4 * 86_400))
        site.start(_duty(site))


def _duty(site: Pharmacy) -> Process:
    case, feed = site.key("duty"), site.feeds["quality"]
    promised = site.instant_in(5 * 86_400)
    site.say("rx.duty.opened", case, feed, reason=site.luck.choice(DUTIES), promised=promised)
    yield site.took(DUTY_DONE_AFTER)
    site.say("rx.duty.closed", case, feed)
