"""`rxpulse` on a host whose Kafka and PostgreSQL other hosts reach: `python -m tests.faults.elsewhere ADDRESS COMMAND...`.

The one-machine stack listens on loopback alone. Here its servers listen everywhere, and Kafka says ADDRESS to who asks.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from rxpulse import kafka, postgres
from rxpulse.cli import main

LOOPBACK = "127.0.0.1"
_properties, _argv, _prepare = kafka.properties, postgres.argv, postgres.prepare


def reach(address: str) -> None:
    """From now on the servers that this process starts are reached at `address`."""

    def properties(home: Path, *asked: int) -> str:
        told = _properties(home, *asked)
        for name, shown in (("advertised.listeners", address), ("listeners", "0.0.0.0")):
            told = told.replace(f"\n{name}=PLAINTEXT://{LOOPBACK}:", f"\n{name}=PLAINTEXT://{shown}:")
        return told

    def argv(programs: Path, home: Path, port: int) -> tuple[str, ...]:
        return tuple(
            word.replace(f"listen_addresses={LOOPBACK}", "listen_addresses=*") for word in _argv(programs, home, port)
        )

    async def prepare(home: Path, programs: Path, user: str | None, password: str, env: Mapping[str, str]) -> None:
        await _prepare(home, programs, user, password, env)
        with (postgres.data_folder(home) / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")

    kafka.properties, postgres.argv, postgres.prepare = properties, argv, prepare


if __name__ == "__main__":
    reach(sys.argv.pop(1))
    main()
