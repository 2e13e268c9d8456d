"""Bytewax with `stateful_map`, one worker, its Kafka source and sink. Without recovery: it commits no position and keeps
its state nowhere else."""

import bytewax.operators as op
import job
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

progress = job.Progress()


def keyed(message: KafkaSourceMessage) -> tuple[str, bytes]:
    """By the fill."""
    return message.key.decode(), message.value


def keep_the_clock(state: job.State | None, value: bytes) -> tuple[job.State, tuple[job.Interval | job.Breach, ...]]:
    """The whole job."""
    progress.count()
    fill = job.fresh() if state is None else state
    return fill, job.apply(fill, job.decode(value))


def record(fact: job.Interval | job.Breach) -> KafkaSinkMessage:
    """A fact as it goes to its topic."""
    return KafkaSinkMessage(fact.case.encode(), job.encode(fact), topic=job.topic_of(fact))


flow = Dataflow("peer")
# Without a tail it ends where the topic ends.
source = KafkaSource([job.KAFKA], [job.EVENTS], tail=False, batch_size=1000)
by_fill = op.map("by-fill", op.input("events", flow, source), keyed)
found = op.stateful_map("clock", by_fill, keep_the_clock)
facts = op.flat_map_value("each", found, lambda several: several)
records = op.map("records", facts, lambda pair: record(pair[1]))
op.output("facts", records, KafkaSink([job.KAFKA], None))

if __name__ == "__main__":
    run_main(flow)
    if not progress.whole:
        raise SystemExit(f"{progress.events} of {job.TOTAL} events were there")
    job.finished()
