"""What a role tells Prefect of where it is and by which password, without taking anything from who has said it already."""

from pathlib import Path

from models.settings import Settings
from rxpulse.prefect_client import introduce


def test_the_settings_become_prefects_own_variables(tmp_path: Path) -> None:
    secret = tmp_path / "prefect_auth"
    secret.write_text("rxpulse:a-password\n")
    given = {"RXPULSE_PREFECT_URL": "http://prefect:4200/api", "RXPULSE_PREFECT_AUTH_FILE": str(secret)}
    environ: dict[str, str] = {}
    introduce(Settings.from_env(given, home=tmp_path), environ)
    assert environ["PREFECT_API_URL"] == "http://prefect:4200/api"
    assert environ["PREFECT_API_AUTH_STRING"] == "rxpulse:a-password"


def test_what_is_said_already_stays_and_what_nobody_said_is_left_out(tmp_path: Path) -> None:
    environ = {"PREFECT_API_URL": "http://127.0.0.1:1/api", "PREFECT_LOGGING_LEVEL": "DEBUG"}
    introduce(Settings.from_env({"RXPULSE_PREFECT_URL": "http://prefect:4200/api"}, home=tmp_path), environ)
    assert environ == {
        "PREFECT_API_URL": "http://127.0.0.1:1/api",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
