"""A worker with a memory in the place of PostgreSQL, to see what the database costs: the same process otherwise.

Run by the measurement itself as `python -m rxpulse.bench.no_store`, set up by RXPULSE_... variables as every role.
"""

import os

from models.policy import Policies
from models.policy_text import load
from models.settings import Settings
from models.store.memory import Memory, MemoryLedger


def main() -> None:
    """The life of that worker."""
    from streams.app import run

    settings = Settings.from_env(os.environ)
    run(settings, MemoryLedger(Memory(Policies.only(load(settings.policy)))))


if __name__ == "__main__":
    main()
