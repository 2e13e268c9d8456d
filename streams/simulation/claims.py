"""The payer: a claim goes out with each prescription, and about one in six comes back.

What becomes of a rejected claim depends on its code (NCPDP 511-FB): an error in a field is mended in minutes, a refill
that comes too soon waits for its day, a prior authorisation takes days and may be refused. Only a paid claim, or cash,
lets the filling begin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from models.event import CaseId
from streams.simulation.chances import Length, lasting
from streams.simulation.clockwork import Process
from streams.simulation.formulary import Product
from streams.simulation.pharmacy import Feed, Pharmacy

SWITCH = lasting(2.5, 0.5)
MENDING = lasting(240, 0.7)
AUTHORISATION = lasting(26 * 3600, 0.8)
PRESCRIBER = lasting(4 * 3600, 1.0)
DAY_SECONDS = 86_400.0
CODES = (
    ("75", 22.0),
    ("70", 20.0),
    ("79", 19.0),
    ("76", 10.0),
    ("88", 9.0),
    ("25", 6.0),
    ("65", 5.0),
    ("19", 4.0),
    ("92", 3.0),
    ("77", 2.0),
)
"""Codes that are published, with shares from field knowledge: no public distribution is known."""
PAYERS = ("bin-610001", "bin-610014", "bin-610502", "bin-003858", "bin-015581")


@dataclass(slots=True)
class Fill:
    """`waiter`: the patient stands at the counter. `claim` is the link of the claim that was paid last, None for cash."""

    case: CaseId
    product: Product
    urgency: int
    channel: str
    payer: str | None
    waiter: bool = False
    claim: str | None = None
    faults: int = field(default=0)

    @property
    def cash(self) -> bool:
        return self.payer is None


def adjudicated(site: Pharmacy, fill: Fill, wait: Length = AUTHORISATION) -> Process:
    """Sends the claim until it is paid or the patient pays himself. True: the filling may begin; False: cancelled."""
    feed = site.main_feed()
    while not fill.cash:
        claim = site.key("claim")
        said = {"payer": fill.payer, "links": {"claim": claim}}
        site.say("rx.claim.submitted", fill.case, feed, amount=fill.product.price, currency="USD", **said)
        yield site.took(SWITCH)
        if not site.happens(site.chances.claim_rejected):
            site.say(
                "rx.claim.paid", fill.case, feed, amount=round(fill.product.price * 0.86, 2), currency="USD", **said
            )
            fill.claim = claim
            return True
        code = site.luck.choices([name for name, _ in CODES], [weight for _, weight in CODES])[0]
        site.say("rx.claim.rejected", fill.case, feed, codes=[code], **said)
        if not (yield from _answers(code)(site, fill, feed, wait)):
            return False
    return True


def reversed_claim(site: Pharmacy, fill: Fill) -> None:
    """Takes the paid claim back; nothing for cash."""
    if fill.claim is not None:
        feed = site.main_feed()
        site.say("rx.claim.reversed", fill.case, feed, payer=fill.payer, links={"claim": fill.claim})
        fill.claim = None


def clarified(site: Pharmacy, fill: Fill, reason: str) -> Process:
    """The prescriber is asked, and asked again each day until the answer."""
    feed, case, question = site.main_feed(), fill.case, {"intervention": site.key("intervention")}
    site.say("rx.prescriber.clarification.requested", case, feed, reason=reason, links=question)
    left = site.took(PRESCRIBER)
    while left > DAY_SECONDS:
        yield DAY_SECONDS
        left -= DAY_SECONDS
        site.say("rx.prescriber.clarification.followup", case, feed, links=question)
    yield left
    site.say("rx.prescriber.clarification.answered", case, feed, role="prescriber", links=question)


Answer = Callable[[Pharmacy, Fill, Feed, Length], Process]


def _answers(code: str) -> Answer:
    return {"75": _authorised, "70": _another_drug, "79": _too_soon, "88": _use_reviewed}.get(code, _mended)


def _mended(site: Pharmacy, fill: Fill, feed: Feed, wait: Length) -> Process:
    technician = yield site.crews["technician"], fill.urgency
    yield site.took(MENDING)
    technician.free()
    return True


def _too_soon(site: Pharmacy, fill: Fill, feed: Feed, wait: Length) -> Process:
    site.say("rx.hold.placed", fill.case, feed, reason="refill_too_soon")
    yield DAY_SECONDS * (1 + site.luck.randrange(5))
    site.say("rx.hold.released", fill.case, feed)
    return True


def _use_reviewed(site: Pharmacy, fill: Fill, feed: Feed, wait: Length) -> Process:
    site.say("rx.dur.alert", fill.case, feed, codes=["DD"])
    pharmacist = yield site.crews["pharmacist"], fill.urgency
    yield site.took(MENDING) / 3
    site.say("rx.dur.overridden", fill.case, feed, pharmacist, codes=["DD", "M0", "1G"])
    pharmacist.free()
    return True


def _another_drug(site: Pharmacy, fill: Fill, feed: Feed, wait: Length) -> Process:
    yield from _mended(site, fill, feed, wait)
    if site.happens(0.35):
        fill.payer = None
        return True
    yield from clarified(site, fill, "not_covered")
    return (yield from _kept(site, fill, feed, 0.95))


def _authorised(site: Pharmacy, fill: Fill, feed: Feed, wait: Length) -> Process:
    site.say("rx.pa.required", fill.case, feed, payer=fill.payer, reason="payer_rule")
    yield from _mended(site, fill, feed, wait)
    site.say("rx.pa.initiated", fill.case, feed, payer=fill.payer)
    yield site.took(wait)
    if site.happens(0.78):
        site.say("rx.pa.approved", fill.case, feed, payer=fill.payer)
        return True
    site.say("rx.pa.denied", fill.case, feed, payer=fill.payer, reason="criteria_not_met")
    fill.payer = None
    return (yield from _kept(site, fill, feed, 0.4))


def _kept(site: Pharmacy, fill: Fill, feed: Feed, share: float) -> Process:
    """True if it goes on; else it is cancelled."""
    yield 120.0
    if site.happens(share):
        return True
    site.say("rx.cancelled", fill.case, feed, reason="not_covered")
    return False
