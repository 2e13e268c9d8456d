"""Quix Streams with its own state: RocksDB with a changelog topic, one value for each fill. At least once."""

import job
from quixstreams import Application, State

app = Application(
    broker_address=job.KAFKA,
    consumer_group="quixstreams",
    auto_offset_reset="earliest",
    state_dir=job.FOLDER,
    use_changelog_topics=True,
    loglevel="WARNING",
)
events = app.topic(job.EVENTS, value_deserializer="bytes", key_deserializer="str")
intervals = app.topic(job.INTERVALS, value_serializer="bytes", key_serializer="str")
signals = app.topic(job.SIGNALS, value_serializer="bytes", key_serializer="str")
progress = job.Progress()


def keep_the_clock(value: bytes, state: State) -> list[job.Interval | job.Breach]:
    """The whole job."""
    progress.count()
    fill = state.get("fill") or job.fresh()
    facts = job.apply(fill, job.decode(value))
    state.set("fill", fill)
    if progress.whole:
        app.stop()
    return list(facts)


facts = app.dataframe(events).apply(keep_the_clock, stateful=True, expand=True)
facts.filter(lambda fact: isinstance(fact, job.Interval)).apply(job.encode).to_topic(intervals)
facts.filter(lambda fact: isinstance(fact, job.Breach)).apply(job.encode).to_topic(signals)

if __name__ == "__main__":
    # It stops with a checkpoint: everything delivered, the position committed.
    app.run()
    job.finished()
