"""The shelves, the cabinets and the vault: ordered, received, counted, short, recalled, out of date.

Sparse on purpose: stock is not what the simulation is about, but a manager's board shows it, and a cabinet that is
not refilled in the morning is empty in the evening.
"""

from streams.simulation.almanac import DAY, instant
from streams.simulation.chances import lasting
from streams.simulation.clockwork import Process
from streams.simulation.formulary import Product
from streams.simulation.pharmacy import Pharmacy

LOADS_PER_DAY = 60
DELIVERED_AFTER = lasting(14 * 3600, 0.15)
RESOLVED_AFTER = lasting(5 * 3600, 0.9)
SHORTAGE_LASTS = lasting(20 * 86_400, 0.7)
SHORTAGE_EVERY, RECALL_EVERY, DISCREPANCY_EVERY, COUNT_EVERY = 12.0, 30.0, 1.2, 3.0
"""Days between, on average."""


def shelves(site: Pharmacy) -> Process:
    """Each evening an order goes to the wholesaler, for ever."""
    while True:
        yield site.seconds_to(site.almanac.next_of(site.now, (17,)))
        for _ in range(max(1, round(5 * site.spec.volume))):
            site.start(_ordered(site, site.formulary.draw(site.luck)))


def mishaps(site: Pharmacy) -> Process:
    """Shortages, recalls, counts and differences, for ever, each at its own pace."""
    kinds = (
        (_short, SHORTAGE_EVERY),
        (_recalled, RECALL_EVERY),
        (_differs, DISCREPANCY_EVERY),
        (_counted, COUNT_EVERY),
    )
    shares = [1 / days for _, days in kinds]
    while True:
        yield site.luck.expovariate(sum(shares) / 86_400)
        told = site.luck.choices([tell for tell, _ in kinds], shares)[0]
        site.start(told(site, site.formulary.draw(site.luck)))


def cabinets(site: Pharmacy) -> Process:
    """Each morning technicians load what was below par; controlled drugs come out of the vault."""
    adc = site.feeds["adc"]
    while True:
        yield site.seconds_to(site.almanac.next_of(site.now, (6,)))
        for _ in range(max(2, round(LOADS_PER_DAY * site.spec.volume))):
            product = site.formulary.draw(site.luck)
            site.say("rx.adc.below_par", _item(site, product), adc, drug=product.drug)
            technician = yield site.crews["technician"], 4
            yield 40 + 50 * site.luck.random()
            if product.controlled:
                site.say("rx.cs.vault.out", _item(site, product), site.feeds["stock"], technician, qty=25)
            site.say("rx.adc.load", _item(site, product), adc, technician, drug=product.drug, qty=25, **site.package())
            technician.free()


def _item(site: Pharmacy, product: Product) -> str:
    return f"item/{site.spec.site}-{product.drug['code']}"


def _ordered(site: Pharmacy, product: Product) -> Process:
    item, stock = _item(site, product), site.feeds["stock"]
    site.say("rx.inventory.ordered", item, stock, drug=product.drug, qty=100)
    yield site.took(DELIVERED_AFTER)
    site.say("rx.inventory.received", item, stock, drug=product.drug, qty=100, **site.package())
    if product.controlled:
        site.say("rx.cs.invoice", item, stock, drug=product.drug, qty=100)
        yield 900.0
        site.say("rx.cs.vault.in", item, stock, drug=product.drug, qty=100)


def _short(site: Pharmacy, product: Product) -> Process:
    site.say("rx.inventory.shortage.flagged", _item(site, product), site.feeds["stock"], drug=product.drug)
    yield site.took(SHORTAGE_LASTS)
    site.say("rx.inventory.shortage.resolved", _item(site, product), site.feeds["stock"])


def _recalled(site: Pharmacy, product: Product) -> Process:
    item, stock, lot = _item(site, product), site.feeds["stock"], site.package()["lot"]
    site.say("rx.inventory.recalled", item, stock, drug=product.drug, lot=lot)
    yield site.took(RESOLVED_AFTER)
    site.say("rx.inventory.quarantined", item, stock, lot=lot)


def _differs(site: Pharmacy, product: Product) -> Process:
    """A count that does not agree: in the vault rarely, in a cabinet where the site has one, else on the shelf."""
    item, stock = _item(site, product), site.feeds["stock"]
    if product.controlled and site.happens(0.1):
        site.say("rx.cs.count.variance", item, stock, drug=product.drug, qty=-1)
    elif "adc" in site.feeds:
        site.say("rx.adc.count.discrepancy", item, site.feeds["adc"], drug=product.drug, qty=-1)
        yield site.took(RESOLVED_AFTER)
        site.say("rx.adc.count.resolved", item, site.feeds["adc"], reason="miscount")
    else:
        yield 1.0
        site.say("rx.inventory.adjusted", item, stock, drug=product.drug, qty=-2, reason="miscount")


def _counted(site: Pharmacy, product: Product) -> Process:
    item, stock = _item(site, product), site.feeds["stock"]
    site.say("rx.inventory.counted", item, stock, drug=product.drug, qty=site.luck.randrange(20, 200))
    yield 600.0
    if site.happens(0.1):
        expiry = instant(site.now - 5 * DAY).strftime("%Y-%m-%d")
        site.say("rx.inventory.expired", item, stock, drug=product.drug, qty=3, expiry=expiry)
        if "adc" in site.feeds:
            site.say("rx.adc.expired_pull", item, site.feeds["adc"], drug=product.drug, qty=3, expiry=expiry)
