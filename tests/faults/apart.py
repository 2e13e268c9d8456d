"""`rxpulse` with a server whose files lie in another folder than the rest: `python -m tests.faults.apart PART FOLDER COMMAND...`,
where PART is `kafka` or `postgres`.

So that folder may be a disk of its own, which is full while the other server's is not.
"""

import sys
from pathlib import Path

from rxpulse import kafka, postgres
from rxpulse.cli import main

_properties = kafka.properties


def keep_postgres(folder: Path) -> None:
    """From now on the PostgreSQL that this process starts keeps its files there."""

    def data_folder(_: Path) -> Path:
        return folder / "postgres"

    postgres.data_folder = data_folder


def keep_kafka(folder: Path) -> None:
    """From now on the Kafka that this process starts keeps its files there."""

    def properties(home: Path, *told: int) -> str:
        return _properties(home, *told).replace(f"{home / 'kafka'}\n", f"{folder / 'kafka'}\n")

    kafka.properties = properties


if __name__ == "__main__":
    part, folder = sys.argv.pop(1), Path(sys.argv.pop(1))
    {"kafka": keep_kafka, "postgres": keep_postgres}[part](folder)
    main()
