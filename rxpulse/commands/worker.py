"""`rxpulse worker`: the role that reads events and keeps the clocks."""

import os

import click

from models.settings import Settings


@click.command()
def worker() -> None:
    """Read events from Kafka, keep the clocks, write facts and signals. Set up by RXPULSE_... variables alone.

    Several workers share the partitions; each needs its own RXPULSE_WORKER_INSTANCE. Exit code 3: stopped on purpose,
    because too many records cannot be events, or the topic is not the one that the store was made from; it says which and the
    remedy. Look before you start it again.

    \b
    Example: RXPULSE_KAFKA=kafka:9092 RXPULSE_DATABASE_URL_FILE=db.url rxpulse worker
    """
    from metrics import logbook
    from streams.app import run

    with logbook.role("worker"):
        run(Settings.from_env(os.environ))
