"""The flags of the stack's own broker: small for a workplace, a server's where it is given the memory."""

from pathlib import Path

from models.settings import Settings
from rxpulse.kafka import argv, properties


def flags(heap_mib: int) -> tuple[str, ...]:
    return argv(Path("/java"), [Path("/a.jar")], heap_mib, "kafka.Kafka", "x")


def test_a_workplace_gets_a_small_heap_and_what_starts_quickly() -> None:
    assert {"-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"} <= set(flags(256))


def test_a_server_gets_its_heap_at_once_and_compiles_to_the_end() -> None:
    assert {"-Xms1024m", "-Xmx1024m", "-XX:+UseG1GC"} <= set(flags(1024))
    assert not {"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"} & set(flags(1024))


def test_what_the_only_broker_confirms_is_on_the_disk() -> None:
    usual = Settings.from_env({}).kafka_flush_records
    assert "log.flush.interval.messages=1" in properties(Path("/home"), 1, 2, usual).splitlines()
    assert "log.flush" not in properties(Path("/home"), 1, 2, 0), "the system writes when it likes"
