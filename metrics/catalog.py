"""Every figure that RxPulse shows about itself: its name with the unit, its labels, what it means, what to do about it.

The names are fixed, for dashboards and alerts outside rely on them. No label holds anything about a person or a case.
"""

from dataclasses import dataclass
from enum import Enum


class Shape(Enum):
    """How a figure behaves: it only grows, it goes up and down, or it is a distribution."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """`buckets` are the upper bounds of a histogram, in the unit of the name."""

    name: str
    shape: Shape
    labels: tuple[str, ...]
    meaning: str
    remedy: str
    buckets: tuple[float, ...] = ()

    @property
    def role(self) -> str:
        """The role that shows it: the second word of the name."""
        return self.name.split("_")[1]


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

EVENTS = Metric(
    "rxpulse_worker_events_total",
    Shape.COUNTER,
    ("outcome",),
    "Records of rx.events that were applied, by outcome: accepted, duplicates, id_reused, rejected, rerouted,"
    " after_close.",
    "rejected grows: look at rx.deadletter; id_reused grows: a sender uses ids twice; rerouted grows: a producer does"
    " not partition by murmur2 of the subject; after_close grows: a sender tells of work that ended 90 days ago and more.",
)
BATCH_SECONDS = Metric(
    "rxpulse_worker_batch_seconds",
    Shape.HISTOGRAM,
    (),
    "Time from handing a batch over until it was committed.",
    "Long: look at the database's disk and locks.",
    _SECONDS,
)
FACTS = Metric(
    "rxpulse_worker_facts_total",
    Shape.COUNTER,
    ("fact",),
    "Intervals and changes of signals written.",
    "None for long while events come: no clock or rule of the policy names their types.",
)
PARTITIONS = Metric(
    "rxpulse_worker_partitions",
    Shape.GAUGE,
    (),
    "Partitions that this worker holds.",
    "0 on every worker: Kafka has not assigned them; look at the worker's log.",
)
JUDGED = Metric(
    "rxpulse_worker_judged_timestamp_seconds",
    Shape.GAUGE,
    (),
    "The instant (database clock) up to which the silence of this worker's partitions was last judged.",
    "More than a minute old: the worker is behind or its clock differs from the database's; nobody is paged for a"
    " missed deadline meanwhile.",
)
RATES_JUDGED = Metric(
    "rxpulse_worker_rates_judged_timestamp_seconds",
    Shape.GAUGE,
    (),
    "The instant (database clock) at which rates and feeds were last judged, by whichever worker holds the seat.",
    "More than 10 s old: no worker judges, so shifted rates and silent feeds stay unseen; look at the workers' logs and at"
    " the database's locks.",
)
CLOCKS_APART = Metric(
    "rxpulse_worker_clocks_apart_seconds",
    Shape.GAUGE,
    (),
    "How far this host's clock is ahead of the database's.",
    "Beyond 30 s in either direction ticks stop: mend the host's time service.",
)
CORRECTIONS = Metric(
    "rxpulse_worker_corrections_total",
    Shape.COUNTER,
    ("fact",),
    "Facts that late evidence changed or took back after they were written: interval (issued again under a higher"
    " revision), signal (cleared as disproved).",
    "Many: a feed delivers late or corrects itself often; see the lateness on the data-quality page.",
)
LAG = Metric(
    "rxpulse_worker_lag_records",
    Shape.GAUGE,
    (),
    "Records in this worker's partitions that it has not read yet.",
    "Grows: events come faster than they are applied; rxpulse_worker_step_seconds_total says which step takes the time.",
)
UNREAD = Metric(
    "rxpulse_worker_oldest_unread_seconds",
    Shape.GAUGE,
    (),
    "How old the oldest record that this worker has not read yet may be; 0 while it has read all.",
    "More than five minutes: nobody is paged for a missed deadline meanwhile; as for the lag.",
)
STEP_SECONDS = Metric(
    "rxpulse_worker_step_seconds_total",
    Shape.COUNTER,
    ("step",),
    "Time spent in each step: poll, decode, load, track, listen and commit by the thread that reads; confirm, transaction"
    " and produce by the one that writes, which works beside it.",
    "Whichever grows by nearly a second a second holds up the rest: transaction or load, the database; confirm or produce,"
    " Kafka; decode or track, this machine's processor. A high poll is a worker that waits for events.",
)
REFOLDS = Metric(
    "rxpulse_worker_refolds_total",
    Shape.COUNTER,
    (),
    "Events that came after later ones of their case, so that the case was folded again.",
    "Many: a feed delivers out of order; the figures are right all the same, each costs a little more.",
)
DEAD_LETTERS = Metric(
    "rxpulse_worker_dead_letters_total",
    Shape.COUNTER,
    ("reason",),
    "Records put aside because they cannot be events, by reason.",
    "Mend the sender; the records lie in rx.deadletter.",
)
DELIVERIES = Metric(
    "rxpulse_dispatcher_deliveries_total",
    Shape.COUNTER,
    ("channel", "outcome"),
    "Attempts to deliver a message, by channel and outcome: delivered, retry, refused.",
    "refused grows: an address or a secret is wrong; retry grows: the other side is away.",
)
PAGE_SECONDS = Metric(
    "rxpulse_dispatcher_delivery_seconds",
    Shape.HISTOGRAM,
    ("channel",),
    "Time from the decision to send a message until its first attempt was answered.",
    "Long: the other side is slow; pages of other people do not wait for it.",
    _SECONDS,
)
PREFECT = Metric(
    "rxpulse_dispatcher_prefect_up",
    Shape.GAUGE,
    (),
    "1 while messages run as Prefect flows, 0 while they are sent without it.",
    "0: look at the Prefect server; pages go out all the same.",
)
SIGNALS_ATTENDED = Metric(
    "rxpulse_dispatcher_signals_total",
    Shape.COUNTER,
    (),
    "Signals looked at: opened, raised, cleared.",
    "Stands still while signals are raised: the dispatcher is stuck.",
)
ROUND = Metric(
    "rxpulse_dispatcher_round_timestamp_seconds",
    Shape.GAUGE,
    (),
    "The instant (this host's clock) at which the dispatcher last looked at everything that was due.",
    "More than 15 s old: nobody is told anything; look at the dispatcher's log and at the database.",
)
ESCALATIONS = Metric(
    "rxpulse_dispatcher_escalations",
    Shape.GAUGE,
    ("state",),
    "Escalations that are not resolved, by state: open, acknowledged, exhausted.",
    "exhausted: everybody on the ladder was told and nobody answered; call somebody, then mend the ladder.",
)
OVERDUE = Metric(
    "rxpulse_dispatcher_overdue_seconds",
    Shape.GAUGE,
    (),
    "How long the step or message that is longest overdue has been waiting; 0 while none is.",
    "More than 30: pages are late; look at the dispatcher's log and at the database's locks.",
)
DELIVERIES_FAILED = Metric(
    "rxpulse_dispatcher_deliveries_failed",
    Shape.GAUGE,
    ("channel",),
    "Messages that were refused or given up within the last hour, by channel.",
    "Not 0: an address or a secret is wrong, or the other side is away; the escalation's page says what it answered.",
)
FEED_HEARD = Metric(
    "rxpulse_dispatcher_feed_heard_timestamp_seconds",
    Shape.GAUGE,
    ("source", "site"),
    "The instant at which the latest event of a feed was recorded.",
    "Old: compare with how often this feed usually speaks.",
)
FEED_SILENT = Metric(
    "rxpulse_dispatcher_feed_silent",
    Shape.GAUGE,
    ("source", "site"),
    "1 while a feed is silent for longer than the policy allows or than it ever was, else 0.",
    "1: ask whoever runs the sending system; what is late by it may have been done; S3 and S4 wait meanwhile.",
)
WORKER_BEAT = Metric(
    "rxpulse_dispatcher_worker_beat_timestamp_seconds",
    Shape.GAUGE,
    (),
    "The last sign of life of the workers, of the partition that has been without one for longest; 0 before the first.",
    "More than a minute old: a worker is dead, stuck or stopped on purpose; look at its log.",
)
LISTENED = Metric(
    "rxpulse_dispatcher_listened_timestamp_seconds",
    Shape.GAUGE,
    (),
    "The instant up to which missed deadlines were looked for, of the partition that is furthest behind; 0 before the"
    " first time.",
    "More than five minutes old: the worker is behind; nobody is paged for a missed deadline meanwhile.",
)
POSITION = Metric(
    "rxpulse_dispatcher_position_offset",
    Shape.GAUGE,
    ("partition",),
    "The offset of rx.events up to which each partition is applied.",
    "Stands still while events come: that partition is read by nobody, or its worker is stuck; see `rxpulse doctor`.",
)
CLAIMS = Metric(
    "rxpulse_dispatcher_partition_claims",
    Shape.GAUGE,
    ("partition",),
    "How often a worker took over each partition since the facts were last made: when it started, after another had lost"
    " its fence, or when partitions went round.",
    "Grows again and again: a worker ends and starts, or two fight for partitions; the last lines of its log say why.",
)
LOSSES = Metric(
    "rxpulse_dispatcher_partition_losses",
    Shape.GAUGE,
    ("partition",),
    "How often a worker that lived lost each partition without having given it back, since the facts were last made: whoever"
    " took over ended its connection, or its transaction was refused.",
    "Grows: a worker's host stands still for more than 10 s at a time or is cut off, or two workers have one instance name."
    " What it had on its way was undone, and done again by whoever took over.",
)
RECENT_DEAD_LETTERS = Metric(
    "rxpulse_dispatcher_dead_letters",
    Shape.GAUGE,
    ("reason",),
    "Records received in this hour or the last one that could not be taken, by reason.",
    "Not 0: `rxpulse deadletter list` says what to mend; the records are kept.",
)
INTAKE_REQUESTS = Metric(
    "rxpulse_intake_requests_total",
    Shape.COUNTER,
    ("status",),
    "Requests to the intake, by the status answered.",
    "401 or 403 grow: a token was taken back or is bound to other sources; 429: the worker is behind; 503: Kafka is"
    " away, or the database never answered since the intake started. Senders keep their events.",
)
INTAKE_BEHIND = Metric(
    "rxpulse_intake_worker_behind_seconds",
    Shape.GAUGE,
    (),
    "How far the worker was behind when the latest request came; 0 where it is not, or nobody knows.",
    "Above RXPULSE_INTAKE_MAX_LAG_SECONDS requests are answered 429 and senders keep their events: see why the worker is"
    " behind.",
)
INTAKE_EVENTS = Metric(
    "rxpulse_intake_events_total",
    Shape.COUNTER,
    (),
    "Events taken by the intake, each confirmed by Kafka.",
    "Stands still while senders send: look at the requests by status.",
)
INTAKE_REFUSED = Metric(
    "rxpulse_intake_refused_total",
    Shape.COUNTER,
    ("reason",),
    "Items that made the intake refuse a request, by reason.",
    "Mend the sender: the answer that it got names item and remedy.",
)
INTAKE_DROPPED = Metric(
    "rxpulse_intake_dropped_fields_total",
    Shape.COUNTER,
    ("source",),
    "Fields outside the closed list that the intake left out, by source.",
    "The sender says more than the format holds: let it send less.",
)
INTAKE_UNKNOWN = Metric(
    "rxpulse_intake_unknown_total",
    Shape.COUNTER,
    ("what",),
    "Events taken whose site is not in the policy or whose type is not in the catalogue.",
    "Declare the site in the policy, or mend the type in the sender.",
)
CONSOLE_REQUESTS = Metric(
    "rxpulse_console_requests_total",
    Shape.COUNTER,
    ("status",),
    "Requests to the console, pages and lists alike, by the status answered.",
    "503 grows: the database is away; 500: a fault of ours, its log says which; 401 or 403 grow: somebody without an"
    " account tries to get in.",
)
REPORTED = Metric(
    "rxpulse_reports_reported_timestamp_seconds",
    Shape.GAUGE,
    ("site",),
    "The end of the last week of a site of which a report was written; 0 while there is none.",
    "More than 7.5 days ago: a report is missing; look whether the worker is behind, and at the log of the reports.",
)
HOUSEKEPT = Metric(
    "rxpulse_reports_housekept_timestamp_seconds",
    Shape.GAUGE,
    (),
    "When housekeeping was done last: months of turnaround times made ahead, and old ones let go; 0 while it never was.",
    "More than two days ago: look at the log of the reports. Nothing is lost; turnaround times without a month of their own"
    " lie together, and pages get slower.",
)
OUTSIDE_MONTHS = Metric(
    "rxpulse_reports_outside_months_rows",
    Shape.GAUGE,
    (),
    "Turnaround times that lie in no month of their own.",
    "Grows for more than a day: housekeeping is not done, see its time. Dates of other centuries stay there.",
)

CATALOG = (
    EVENTS,
    BATCH_SECONDS,
    FACTS,
    PARTITIONS,
    JUDGED,
    RATES_JUDGED,
    CLOCKS_APART,
    CORRECTIONS,
    LAG,
    UNREAD,
    STEP_SECONDS,
    REFOLDS,
    DEAD_LETTERS,
    DELIVERIES,
    PAGE_SECONDS,
    PREFECT,
    SIGNALS_ATTENDED,
    ROUND,
    ESCALATIONS,
    OVERDUE,
    DELIVERIES_FAILED,
    FEED_HEARD,
    FEED_SILENT,
    WORKER_BEAT,
    LISTENED,
    POSITION,
    CLAIMS,
    LOSSES,
    RECENT_DEAD_LETTERS,
    INTAKE_REQUESTS,
    INTAKE_BEHIND,
    INTAKE_EVENTS,
    INTAKE_REFUSED,
    INTAKE_DROPPED,
    INTAKE_UNKNOWN,
    CONSOLE_REQUESTS,
    REPORTED,
    HOUSEKEPT,
    OUTSIDE_MONTHS,
)


def of_role(role: str) -> tuple[Metric, ...]:
    """The figures that the role (`worker`, `dispatcher`, `intake`, `console`, `reports`) shows. Raises ValueError for one
    that shows none."""
    found = tuple(metric for metric in CATALOG if metric.role == role)
    if not found:
        raise ValueError(f"no metric of the catalogue is of the role {role}")
    return found
