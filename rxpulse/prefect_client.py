"""What a role tells Prefect, which reads nothing but variables of its own, before it is imported.

A stack on one machine sets them for its roles; in a container nobody has, and the secret lies in a file.
"""

from collections.abc import MutableMapping

from models.settings import Settings


def introduce(settings: Settings, environ: MutableMapping[str, str]) -> None:
    """Puts Prefect's address and its user and password into `environ`, where they are not there yet, and keeps its log to
    what matters."""
    said = {
        "PREFECT_API_URL": settings.prefect_url,
        "PREFECT_API_AUTH_STRING": settings.prefect_auth,
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }
    for name, value in said.items():
        if value:
            environ.setdefault(name, value)
