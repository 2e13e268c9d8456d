"""Faust as its documentation teaches it: events and facts are Records, state is a Table with a changelog, an agent takes
one event after the other and sends what it finds. At least once."""

from datetime import datetime

import faust
import job
from running_faust import app, finishing, run


class Pharmacy(faust.Record):
    """The data of an event."""

    site: str
    stage: str | None = None
    setting: str | None = None


class Event(faust.Record, serializer="json"):
    """A CloudEvent of a pharmacy."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    subject: str
    recorded: str
    datacontenttype: str
    data: Pharmacy


class Fill(faust.Record, serializer="json"):
    """What is known of a fill; times in seconds since 1970."""

    times: list[float | None]
    seen: list[str]


class Interval(faust.Record, serializer="json"):
    """A closed clock."""

    interval: str
    clock: str
    site: str
    case: str
    started: str
    stopped: str
    net_seconds: float
    target_seconds: float
    in_target: bool


class Breach(faust.Record, serializer="json"):
    """A clock that was closed after its target."""

    signal: str
    kind: str
    name: str
    severity: str
    site: str
    case: str
    raised: str


events = app.topic(job.EVENTS, key_type=str, value_type=Event, key_serializer="raw")
intervals = app.topic(job.INTERVALS, key_type=str, value_type=Interval, key_serializer="raw")
signals = app.topic(job.SIGNALS, key_type=str, value_type=Breach, key_serializer="raw")
fills = app.Table("fills", partitions=job.PARTITIONS, key_type=str, value_type=Fill)
progress = job.Progress()


@app.agent(events)
async def keep_the_clock(stream: faust.StreamT[Event]) -> None:
    """The whole job."""
    async for event in stream:
        progress.count()
        fill = fills.get(event.subject) or Fill(times=[None, None], seen=[])
        state = [*fill.times, fill.seen]
        at = datetime.fromisoformat(event.time)
        facts = job.apply(state, known(event, at))
        fills[event.subject] = Fill(times=state[:2], seen=state[2])
        for fact in facts:
            if isinstance(fact, job.Interval):
                await intervals.send(key=fact.case, value=interval(fact))
            else:
                await signals.send(key=fact.case, value=breach(fact))
        if progress.whole:
            finishing.set()


def known(event: Event, at: datetime) -> job.Event:
    """An event as the job takes it."""
    return job.Event(event.id, event.source, event.type, at, event.subject, job.Data(event.data.site))


def interval(fact: job.Interval) -> Interval:
    """The Record of an interval."""
    return Interval(
        interval=fact.interval,
        clock=fact.clock,
        site=fact.site,
        case=fact.case,
        started=fact.started.isoformat(),
        stopped=fact.stopped.isoformat(),
        net_seconds=fact.net_seconds,
        target_seconds=fact.target_seconds,
        in_target=fact.in_target,
    )


def breach(fact: job.Breach) -> Breach:
    """The Record of a breach."""
    return Breach(
        signal=fact.signal,
        kind=fact.kind,
        name=fact.name,
        severity=fact.severity,
        site=fact.site,
        case=fact.case,
        raised=fact.raised.isoformat(),
    )


if __name__ == "__main__":
    run()
