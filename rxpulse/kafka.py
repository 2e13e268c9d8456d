"""The broker of the one-machine stack: one real Apache Kafka in KRaft mode, set up small.

It listens on loopback alone. Its flags suit a workplace (a collector and a compiler that start quickly); with a heap of a
gigabyte or more it gets those of a server, which take longer to start and are faster once warm.
"""

import base64
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from rxpulse.keys import write_new
from rxpulse.process import Command, last_lines, run_once
from rxpulse.supervisor import StackFailed

SERVER_FROM_MIB = 1024
_WORKPLACE = ("-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_SERVER = ("-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35")
_FLAGS = (
    "-XX:+ExitOnOutOfMemoryError",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


def properties(home: Path, broker: int, controller: int, flush_records: int) -> str:
    """The broker's settings file for the ports given. After `flush_records` of a partition it writes to the disk before it
    confirms; 0: when the system likes."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": home / "kafka",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 2,
        "log.cleaner.dedupe.buffer.size": 4 * 2**20,
        "log.segment.bytes": 64 * 2**20,
        # A killed broker has to outwait its own registration: these bring it back in 5 s instead of 12.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "num.network.threads": 2,
        "num.io.threads": 2,
        "background.threads": 2,
    }
    if flush_records:
        # There is no second broker that has what this one lost with the power: what it confirms is on the disk.
        settings["log.flush.interval.messages"] = flush_records
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def new_cluster_id() -> str:
    """A random id as Kafka writes them. One that begins with "-" would be taken for an option by its own tool."""
    while True:
        drawn = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not drawn.startswith("-"):
            return drawn


def argv(java: Path, jars: Sequence[Path], heap_mib: int, main: str, *arguments: str) -> tuple[str, ...]:
    """Runs the class `main` of Kafka with at most `heap_mib` of heap, a server's all at once."""
    server = heap_mib >= SERVER_FROM_MIB
    heap = (f"-Xms{heap_mib}m", *_SERVER) if server else _WORKPLACE
    return (str(java), f"-Xmx{heap_mib}m", *heap, *_FLAGS, "-cp", os.pathsep.join(map(str, jars)), main, *arguments)


def cluster_id(home: Path) -> str:
    """The id of the home's cluster, made on the first call."""
    kept = home / "state" / "kafka-cluster"
    if not kept.exists():
        write_new(kept, new_cluster_id())
    return kept.read_text().strip()


async def prepare(home: Path, command: Command, cluster: str) -> None:
    """Formats the storage where it is not. `command` is the storage tool without arguments. Raises StackFailed."""
    if (home / "kafka" / "meta.properties").exists():
        return
    settings, log = str(home / "state" / "kafka.properties"), home / "logs" / "kafka-format.log"
    arguments = ("format", "-t", cluster, "-c", settings, "--ignore-formatted")
    code = await run_once(Command(argv=(*command.argv, *arguments), env=command.env), log)
    if code != 0:
        raise StackFailed(
            f"Kafka's storage could not be made (exit {code}); the last lines of {log}:\n" + "\n".join(last_lines(log))
        )
