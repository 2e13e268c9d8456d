"""`rxpulse intake`: the role that takes events from systems that speak our own format."""

import os

import click

from models.errors import CallerFault
from models.settings import Settings


@click.command()
def intake() -> None:
    """Take events by HTTP and put them into Kafka, each confirmed. Set up by RXPULSE_... variables alone.

    POST /api/v1/events takes one CloudEvent or a batch; the contract is at /api/v1/openapi.json. Senders bring
    RXPULSE_API_KEY or a token (`rxpulse token add`). Beyond this machine it starts only with RXPULSE_TLS_CERT and
    RXPULSE_TLS_KEY, or behind a proxy that ends TLS (RXPULSE_BEHIND_PROXY=1).

    \b
    Example: RXPULSE_KAFKA=kafka:9092 RXPULSE_DATABASE_URL_FILE=db.url RXPULSE_PORT=8080 rxpulse intake
    """
    import uvicorn

    from metrics import logbook
    from metrics.exporter import PrometheusRecorder
    from models.store.intake import IntakeStore
    from streams.confirming import Confirming
    from streams.intake.http import Behind, create_app

    with logbook.role("intake"):
        settings = Settings.from_env(os.environ)
        settings.check_exposure()
        port, store, producer = (
            settings.required_port(),
            IntakeStore(settings.required_database_url()),
            Confirming(settings),
        )
        app = create_app(
            Behind(
                standing=store.standing,
                deliver=producer.deliver,
                missing=lambda: producer.missing() or store.missing(),
                recorder=PrometheusRecorder("intake"),
                api_key=settings.api_key,
                pseudonym_key=pseudonym_key(settings),
                max_lag_seconds=settings.intake_max_lag_seconds,
            )
        )
        app.add_middleware(logbook.Requests)
        try:
            uvicorn.run(
                app,
                host=settings.bind,
                port=port,
                ssl_certfile=settings.tls_cert,
                ssl_keyfile=settings.tls_key,
                ws="none",
                access_log=False,
                log_config=None,
                limit_concurrency=256,
                timeout_graceful_shutdown=15,
                server_header=False,
            )
        finally:
            producer.close()
            store.close()


def pseudonym_key(settings: Settings) -> str:
    if settings.pseudonym_key is None:
        raise CallerFault(
            "RXPULSE_PSEUDONYM_KEY is not set: give the key with which this installation makes pseudonyms"
            " (RXPULSE_PSEUDONYM_KEY_FILE), the same for every role and import"
        )
    return settings.pseudonym_key
