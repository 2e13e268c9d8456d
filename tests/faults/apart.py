"""`rxpulse` whose PostgreSQL keeps its files in another folder than the rest: `python -m tests.faults.apart FOLDER COMMAND...`.

So that folder may be a disk of its own, which is full while Kafka's is not.
"""

import sys
from pathlib import Path

from rxpulse import postgres
from rxpulse.cli import main


def keep_files(folder: Path) -> None:
    """From now on the PostgreSQL that this process starts keeps its files there."""

    def data_folder(_: Path) -> Path:
        return folder / "postgres"

    postgres.data_folder = data_folder


if __name__ == "__main__":
    keep_files(Path(sys.argv.pop(1)))
    main()
