"""What is announced on `rx.control`, for other programs: the policy changed.

Everything announced is in the store already, and nobody in RxPulse waits for the word; where the broker is away it is
lost, and nothing else.
"""

import json
from datetime import datetime

from kafka import KafkaProducer
from kafka.errors import KafkaError

from models.errors import CallerFault
from models.settings import Settings
from models.wire import stamp
from streams.connection import kafka_python
from streams.topics import CONTROL

_SECONDS = 5.0


def policy_changed(settings: Settings, number: int, version: str, effective: datetime, made: datetime) -> None:
    """Says that a version of the policy was recorded. Raises CallerFault where the broker does not take it."""
    document = {
        "specversion": "1.0",
        "id": f"policy.{number}",
        "source": "/rxpulse",
        "type": "rx.policy.changed",
        "time": stamp(made),
        "subject": f"policy/{number}",
        "datacontenttype": "application/json",
        "data": {"number": number, "version": version, "effective": stamp(effective)},
    }
    milliseconds = int(_SECONDS * 1000)
    try:
        producer = KafkaProducer(
            **kafka_python(settings),
            bootstrap_timeout_ms=milliseconds,
            max_block_ms=milliseconds,
            request_timeout_ms=milliseconds,
            acks="all",
        )
        try:
            producer.send(CONTROL, json.dumps(document, separators=(",", ":")).encode()).get(_SECONDS)
        finally:
            producer.close(_SECONDS)
    except KafkaError as fault:
        raise CallerFault(f"Kafka did not take the word on {CONTROL} ({type(fault).__name__})") from fault
