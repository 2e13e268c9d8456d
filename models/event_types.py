"""The literal list of event types: what each means, which kinds of case it may belong to, and its place in the work.

`rank` orders events of one instant; `stage` is where a step is done; `ends` names the kind of case that is finished
once the event stands. Whatever RxPulse itself derives (late, aged, reconciliation) is a signal and never in this list.
"""

from dataclasses import dataclass

from models.event import EventType


@dataclass(frozen=True, slots=True)
class Meaning:
    """`cases` are the kinds a type may belong to, empty for any; `stage` is None where it is done at no stage;
    `ends` is the kind of case it finishes, None for none; lower `rank` comes first at one instant."""

    cases: tuple[str, ...]
    stage: str | None
    rank: int
    ends: str | None
    text: str


KINDS = ("order", "fill", "dose", "vend", "item", "place", "shift", "call", "incident", "access", "duty", "feed")
STANDING = frozenset({"item", "place", "feed"})
"""Kinds of case that never finish."""
SIGNS_OF_LIFE = frozenset({EventType("rx.feed.heartbeat")})
"""Types that say only that somebody was there."""
OPENING = frozenset(map(EventType, ("rx.order.entered", "rx.received", "rx.referral.received")))
"""The three types that open a case: at one instant they come first, and nothing belongs before them."""
VOIDED = EventType("rx.event.voided")

CATALOGUE: dict[EventType, Meaning] = {
    EventType(name): Meaning(tuple(cases.split()), stage or None, rank, ends or None, text)
    for name, cases, stage, rank, ends, text in (
        ("rx.order.entered", "order", "entry", 10, "", "order signed in the ordering system"),
        ("rx.order.modified", "order", "", 12, "", "dose, route, time or drug changed"),
        ("rx.order.held", "order", "", 14, "", "put on hold by the prescriber or the pharmacy"),
        ("rx.order.resumed", "order", "", 15, "", "hold ended"),
        (
            "rx.order.intervention.opened",
            "order",
            "verify",
            20,
            "",
            "pharmacist asked the prescriber; the pharmacy's clock pauses",
        ),
        ("rx.order.intervention.resolved", "order", "verify", 22, "", "question answered"),
        ("rx.order.verification.started", "order", "verify", 25, "", "pharmacist opened the order"),
        ("rx.order.verified", "order", "verify", 30, "", "verified, by a pharmacist or by rule (actor empty)"),
        ("rx.label.printed", "order", "prepare", 40, "", "label printed for the dose"),
        ("rx.iv.prep.queued", "order", "prepare", 42, "", "sterile preparation waiting"),
        ("rx.iv.prep.started", "order", "prepare", 44, "", "sterile preparation begun"),
        ("rx.iv.prep.step.mismatch", "order", "prepare", 45, "", "ingredient scanned and wrong"),
        ("rx.iv.prep.step.scanned", "order", "prepare", 46, "", "ingredient scanned and right"),
        ("rx.iv.prep.weigh.out_of_tolerance", "order", "prepare", 47, "", "weight outside tolerance"),
        ("rx.iv.prep.completed", "order", "prepare", 50, "", "preparation finished, not yet checked"),
        ("rx.iv.prep.remake", "order", "prepare", 52, "", "made again"),
        ("rx.iv.prep.wasted", "order", "prepare", 53, "", "prepared and thrown away, with reason"),
        ("rx.dose.scheduled", "order dose", "administer", 58, "", "due at data.promised"),
        ("rx.dose.checked", "order dose", "check", 60, "", "final check, by a pharmacist or tech-check-tech"),
        ("rx.dose.dispatched", "order dose", "deliver", 62, "", "left the pharmacy"),
        ("rx.dose.tube.sent", "order dose", "deliver", 63, "", "sent by pneumatic tube"),
        ("rx.dose.delivered", "order dose", "deliver", 66, "", "arrived, scanned at the location"),
        ("rx.adc.vend", "order vend", "deliver", 70, "vend", "taken from the cabinet against a verified order"),
        (
            "rx.adc.override",
            "order vend",
            "deliver",
            71,
            "vend",
            "taken from the cabinet before or without verification",
        ),
        ("rx.adc.cancelled", "order vend", "", 72, "vend", "cabinet access cancelled after the drawer was chosen"),
        ("rx.adc.null_access", "order vend", "", 73, "vend", "drawer opened, nothing taken"),
        ("rx.dose.administered", "order dose", "administer", 80, "dose", "given"),
        ("rx.dose.not_given", "order dose", "administer", 81, "dose", "not given, with reason"),
        ("rx.dose.scan_failed", "order dose", "", 79, "", "patient or drug barcode did not match or was bypassed"),
        ("rx.dose.missing.requested", "order dose", "", 83, "", "the ward asks for a dose that is not there"),
        ("rx.dose.redispensed", "order dose", "", 84, "", "missing dose sent again"),
        ("rx.dose.returned", "order dose", "", 85, "", "dose came back to the pharmacy"),
        ("rx.dose.credited", "order dose", "", 86, "dose", "charge taken back"),
        ("rx.adc.returned", "order vend", "", 87, "", "put back into the cabinet"),
        ("rx.adc.wasted", "order vend", "", 88, "", "wasted before a witness"),
        ("rx.order.discontinued", "order", "", 90, "order", "stopped by the prescriber before its end"),
        ("rx.order.stopped", "order", "", 92, "order", "its scheduled end"),
        (
            "rx.received",
            "fill",
            "receive",
            10,
            "",
            "prescription arrived (channel: erx fax phone walk-in refill auto-refill)",
        ),
        ("rx.transferred_in", "fill", "receive", 11, "", "came from another pharmacy"),
        ("rx.referral.received", "fill", "receive", 12, "", "specialty referral arrived"),
        ("rx.benefits.investigation.started", "fill", "benefits", 14, "", "coverage is looked up"),
        ("rx.benefits.investigation.completed", "fill", "benefits", 15, "", "coverage known"),
        ("rx.pa.required", "fill", "benefits", 16, "", "payer asks for prior authorisation"),
        ("rx.pa.initiated", "fill", "benefits", 17, "", "prior authorisation asked for"),
        ("rx.pa.approved", "fill", "benefits", 18, "", "prior authorisation given"),
        ("rx.pa.denied", "fill", "benefits", 19, "", "prior authorisation refused"),
        ("rx.copay.assistance", "fill", "benefits", 20, "", "copay assistance granted"),
        ("rx.rems.authorized", "fill", "benefits", 21, "", "REMS authorisation obtained"),
        ("rx.patient.scheduled", "fill", "benefits", 22, "", "delivery agreed with the patient"),
        ("rx.clinical.reviewed", "fill", "benefits", 24, "", "clinical review done"),
        ("rx.data_entry.started", "fill", "entry", 30, "", "typing begun"),
        ("rx.data_entry.completed", "fill", "entry", 32, "", "typing finished"),
        ("rx.image_mismatch", "fill", "entry", 34, "", "entry differs from the image of the prescription"),
        ("rx.returned_to_entry", "fill", "entry", 35, "", "sent back to data entry: rework"),
        ("rx.claim.reversed", "fill", "claim", 39, "", "claim taken back"),
        ("rx.claim.submitted", "fill", "claim", 40, "", "claim sent to the payer"),
        ("rx.claim.rejected", "fill", "claim", 42, "", "claim rejected, with codes"),
        ("rx.claim.paid", "fill", "claim", 43, "", "claim paid"),
        ("rx.dur.alert", "fill", "verify", 46, "", "drug utilisation review alert"),
        ("rx.dur.overridden", "fill", "verify", 47, "", "alert overridden, with codes"),
        ("rx.hold.placed", "fill", "", 48, "", "on hold, with reason"),
        ("rx.hold.released", "fill", "", 49, "", "hold ended"),
        ("rx.prescriber.clarification.requested", "fill", "", 50, "", "prescriber asked; the pharmacy's clock pauses"),
        ("rx.prescriber.clarification.followup", "fill", "", 51, "", "asked again"),
        ("rx.prescriber.clarification.answered", "fill", "", 52, "", "answered"),
        ("rx.pv1.started", "fill", "verify", 54, "", "pharmacist opened it for the first review"),
        ("rx.pv1.verified", "fill", "verify", 55, "", "data and clinical review before filling (optional step)"),
        ("rx.fill.started", "fill", "fill", 60, "", "picking or counting begun"),
        ("rx.fill.scan.mismatch", "fill", "fill", 61, "", "wrong product scanned"),
        ("rx.fill.scan.ok", "fill", "fill", 62, "", "right product scanned"),
        ("rx.fill.counted", "fill", "fill", 63, "", "counted"),
        ("rx.fill.checked_by_hand", "fill", "fill", 64, "", "identity checked without a scan, documented"),
        ("rx.partial_filled", "fill", "fill", 65, "", "part of the quantity filled"),
        ("rx.partial_completed", "fill", "fill", 66, "", "the rest of a partial fill filled"),
        ("rx.pv2.started", "fill", "check", 69, "", "pharmacist opened it for the final check"),
        ("rx.pv2.verified", "fill", "check", 70, "", "final product check passed"),
        ("rx.pv2.failed", "fill", "check", 71, "", "final product check failed, with error type"),
        ("rx.ready", "fill", "ready", 75, "", "waits for the patient"),
        ("rx.notified", "fill", "ready", 76, "", "patient told that it is ready"),
        ("rx.packed", "fill", "ship", 78, "", "packed (cold_pack)"),
        ("rx.shipped", "fill", "ship", 79, "", "given to the carrier"),
        ("rx.temp.excursion", "fill", "ship", 80, "", "left its temperature range on the way"),
        ("rx.delivered", "fill", "ship", 82, "fill", "arrived"),
        ("rx.delivery.exception", "fill", "ship", 83, "", "delivery failed"),
        ("rx.reship", "fill", "ship", 84, "", "sent again"),
        ("rx.counselled", "fill", "ready", 85, "", "patient counselled, or declined"),
        ("rx.signature", "fill", "ready", 86, "", "signature taken"),
        ("rx.sold", "fill", "ready", 87, "fill", "handed over"),
        ("rx.returned_to_stock", "fill", "", 88, "fill", "never picked up, back on the shelf"),
        ("rx.cancelled", "fill", "", 90, "fill", "cancelled by the prescriber"),
        ("rx.discontinued", "fill", "", 91, "fill", "discontinued"),
        ("rx.transferred_out", "fill", "", 92, "fill", "sent to another pharmacy"),
        ("rx.refill.outreach", "fill", "", 95, "", "patient asked about the next refill"),
        ("rx.inventory.ordered", "item", "", 9, "", "ordered from the wholesaler"),
        ("rx.inventory.received", "item", "", 10, "", "stock received, with lot and expiry"),
        ("rx.inventory.counted", "item", "", 12, "", "counted"),
        ("rx.inventory.adjusted", "item", "", 14, "", "count corrected, with reason"),
        ("rx.inventory.shortage.flagged", "item", "", 20, "", "shortage announced"),
        ("rx.inventory.shortage.resolved", "item", "", 21, "", "shortage over"),
        ("rx.inventory.recalled", "item", "", 30, "", "lot recalled"),
        ("rx.inventory.quarantined", "item", "", 31, "", "taken out of use"),
        ("rx.inventory.expired", "item", "", 32, "", "expired stock removed"),
        ("rx.adc.load", "item", "", 40, "", "cabinet pocket filled"),
        ("rx.adc.unload", "item", "", 41, "", "cabinet pocket emptied"),
        ("rx.adc.expired_pull", "item", "", 42, "", "expired stock pulled from the cabinet"),
        ("rx.adc.below_par", "item", "", 43, "", "under its par level"),
        ("rx.adc.stockout", "item", "", 44, "", "empty"),
        ("rx.adc.count.discrepancy", "item", "", 50, "", "count differs from the record"),
        ("rx.adc.count.resolved", "item", "", 51, "", "difference explained"),
        ("rx.cs.invoice", "item", "", 60, "", "controlled substances invoiced to this place"),
        ("rx.cs.vault.in", "item", "", 61, "", "into the vault"),
        ("rx.cs.vault.out", "item", "", 62, "", "out of the vault"),
        ("rx.cs.count.variance", "item", "", 63, "", "controlled count differs"),
        ("rx.env.temp", "place", "", 10, "", "temperature reading (measure, value)"),
        ("rx.env.humidity", "place", "", 11, "", "humidity reading"),
        ("rx.env.pressure", "place", "", 12, "", "room pressure reading"),
        ("rx.env.excursion.started", "place", "", 13, "", "out of range for longer than allowed, by the sensor system"),
        ("rx.env.excursion.ended", "place", "", 14, "", "back in range"),
        ("rx.staff.clock_in", "shift", "", 10, "", "came on duty, with role"),
        ("rx.staff.break.started", "shift", "", 20, "", "break begun"),
        ("rx.staff.break.ended", "shift", "", 21, "", "break over"),
        ("rx.staff.role.changed", "shift", "", 30, "", "works in another role"),
        ("rx.staff.clock_out", "shift", "", 90, "shift", "went off duty"),
        ("rx.call.queued", "call", "", 10, "", "patient or prescriber waits on the phone"),
        ("rx.call.answered", "call", "", 20, "call", "answered"),
        ("rx.call.abandoned", "call", "", 21, "call", "hung up before an answer"),
        ("rx.incident.near_miss", "incident", "", 10, "", "error caught before it reached a patient"),
        ("rx.incident.error_reached_patient", "incident", "", 11, "", "error that reached a patient"),
        ("rx.incident.complaint", "incident", "", 12, "", "complaint received"),
        ("rx.incident.answered", "incident", "", 20, "", "answered to the person who raised it"),
        ("rx.incident.closed", "incident", "", 90, "incident", "closed, with cause"),
        ("rx.access.chart_opened", "access", "", 10, "access", "a record was opened"),
        ("rx.duty.opened", "duty", "", 10, "", "a duty with a date arises"),
        ("rx.duty.closed", "duty", "", 90, "duty", "done, with evidence"),
        ("rx.event.voided", "", "", 98, "", "takes back the event named in data.voids"),
        ("rx.feed.heartbeat", "feed", "", 99, "", "a source says that it lives"),
    )
}


def allowed(name: EventType, kind: str) -> bool:
    """Whether an event of this type may belong to a case of this kind. Unknown types may belong to any."""
    meaning = CATALOGUE.get(name)
    return meaning is None or not meaning.cases or kind in meaning.cases


def rank(name: EventType) -> int:
    """The place of a type among events of one instant; unknown types come last."""
    meaning = CATALOGUE.get(name)
    return meaning.rank if meaning else 1000
