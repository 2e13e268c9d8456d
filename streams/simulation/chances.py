"""How often things go wrong, and how long things take: every parameter of the invented pharmacies in one place.

Shares come from published figures where there are any (the reference stands beside each); the rest is field knowledge,
and said to be. Deliberate errors, such as a prescription handed over before its final check, are rare as in life, so
that what finds them is tested against the truth and not against abundance.
"""

from dataclasses import dataclass
from math import log

Length = tuple[float, float]
"""(mu, sigma) of a lognormal length in seconds."""


def lasting(median: float, spread: float) -> Length:
    """A lognormal length: `median` in seconds; `spread` is the standard deviation of its logarithm (0.7: the slowest
    tenth takes two and a half times the median)."""
    return (log(median), spread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Shares of 1, of the occasions named in each field."""

    autoverified: float = 0.40  # cabinet orders, routine: three in four hospitals autoverify some (ASHP survey 2023)
    intervention: float = 0.04  # orders that the pharmacist asks about
    order_held: float = 0.015
    order_modified: float = 0.03
    order_discontinued: float = 0.12  # orders stopped before their end
    override: float = 0.04  # first vends taken before verification; a common target is at most 5 % (JAPhA 2023;63:193)
    vend_cancelled: float = 0.015
    stockout: float = 0.007  # vends (JCPhP 2020)
    wasted_in_part: float = 0.25  # vends of controlled drugs of which a part is thrown away
    not_given: float = 0.04
    scan_failed: float = 0.02  # at the bedside; scan compliance is 95 % and more where it is watched (Leapfrog)
    scan_bypassed: float = 0.05  # of those
    charted_late: float = 0.04  # bedside events entered minutes later
    charted_wrong: float = 0.002  # taken back and entered again
    missing_dose: float = 0.02  # central doses; 5 to 6 % in older audits (Peek 2016)
    step_mismatch: float = 0.02  # ingredients of sterile preparations
    out_of_tolerance: float = 0.01
    remake: float = 0.015
    preparation_wasted: float = 0.02
    image_mismatch: float = 0.3  # of the returns to entry
    returned_to_entry: float = 0.05  # a common warning level
    dur_alert: float = 0.18
    clarification: float = 0.03
    held: float = 0.02
    claim_rejected: float = 1 / 6  # about 1 in 6 (AJMC 2012;18:647)
    cash: float = 0.08
    fill_mismatch: float = 0.015
    checked_by_hand: float = 0.005
    partial: float = 0.01
    pv2_failed: float = 0.012
    cancelled: float = 0.01
    transferred: float = 0.007
    never_picked_up: float = 0.033  # Annals 2010;153:633
    delivery_exception: float = 0.015
    temperature_excursion: float = 0.004  # cold packages on the way
    near_miss_reported: float = 0.3  # of what the final check found
    sold_before_check: float = 1 / 20_000  # planted errors from here on
    sent_before_check: float = 1 / 20_000
    mismatch_bypassed: float = 1 / 100  # of the wrong scans at fill
    same_person_checks: float = 1 / 60  # where one pharmacist made a dose and is alone to check it
    same_person_witness: float = 1 / 800
    expired_lot: float = 1 / 20_000
