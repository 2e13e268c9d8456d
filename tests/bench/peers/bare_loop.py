"""The floor: a loop around confluent-kafka with the state in a dict. What it made is delivered before it commits.

A process that is killed begins again from nothing, for its state is nowhere else.
"""

from collections import defaultdict

from confluent_kafka import Consumer, Producer
from job import EVENTS, KAFKA, Progress, apply, decode, encode, finished, fresh, topic_of

AT_ONCE, PATIENCE = 5_000, 0.05


def main() -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": KAFKA,
            "group.id": "bare-loop",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 65536,
        }
    )
    producer = Producer({"bootstrap.servers": KAFKA, "linger.ms": 5, "queue.buffering.max.messages": 500_000})
    consumer.subscribe([EVENTS])
    fills, progress = defaultdict(fresh), Progress()
    while not progress.whole:
        messages = consumer.consume(AT_ONCE, PATIENCE)
        if not messages:
            continue
        progress.count(len(messages))
        for message in messages:
            if message.error():
                raise SystemExit(str(message.error()))
            event = decode(message.value())
            for fact in apply(fills[event.subject], event):
                producer.produce(topic_of(fact), encode(fact), fact.case)
        producer.flush()
        consumer.commit(asynchronous=False)
    finished()


if __name__ == "__main__":
    main()
