"""Kafka as librdkafka plays it to itself: producers that are real, before a broker inside their own process, and that can be
ended as a broker that lost their records would end them."""

import ctypes
import threading

from confluent_kafka import KafkaError, Producer, cimpl

from streams.topics import EVENTS

BROKER = {"test.mock.num.brokers": 1, "test.mock.broker.rtt": 50}
"""Settings of a producer with a broker of its own, whose answers take 50 ms."""
_LIBRARY = ctypes.CDLL(cimpl.__file__)


class Ending(Producer):
    """A producer that has met a fatal error: it says so once, then takes nothing. `at` counts down the polls until
    then; below 0 it never comes. `made` counts those producers."""

    at = -1
    made = 0
    _turn = threading.Lock()

    def __init__(self, settings: dict[str, object]) -> None:
        super().__init__(settings)
        Ending.made += 1
        # Whoever asks for a topic by name makes it.
        self.list_topics(EVENTS, 10)

    def poll(self, timeout: float = -1) -> int:
        # Counted before it ends, and by one at a time: of two threads that poll at once one alone ends it.
        with Ending._turn:
            ends = Ending.at == 0
            Ending.at -= 1
        if ends:
            self.end()
        return super().poll(timeout)

    def end(self) -> None:
        """The fatal error, as librdkafka's own tests raise it."""
        handle = ctypes.c_void_p.from_address(id(self) + object.__basicsize__)
        fatal = KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert _LIBRARY.rd_kafka_test_fatal_error(handle, fatal, b"records are missing") == 0
