"""`rxpulse worker`: the role that reads events and keeps the clocks."""

import os

import click

from models.settings import Settings


@click.command()
def worker() -> None:
    """Read events from Kafka, keep the clocks, write facts and signals. Set up by RXPULSE_... variables alone.

    Several workers share the partitions; each needs its own RXPULSE_WORKER_INSTANCE. Exit code 3: stopped on purpose,
    because too many records cannot be events; look before you start it again.

    \b
    Example: RXPULSE_KAFKA=kafka:9092 RXPULSE_DATABASE_URL_FILE=db.url rxpulse worker
    """
    import faust

    from metrics.exporter import PrometheusRecorder, RoleServer
    from streams.app import Watch, create_app

    settings = Settings.from_env(os.environ)
    recorder = PrometheusRecorder()
    watch = Watch(recorder)
    server = RoleServer(settings.bind, settings.required_port(), recorder, watch.missing, settings.api_key)
    server.start()
    app = create_app(settings, watch)
    faust.Worker(app, loglevel="INFO", quiet=True, redirect_stdouts=False).execute_from_commandline()
