"""The settings: what each variable becomes, and what a wrong one is told."""

import dataclasses
import os
from datetime import timedelta
from pathlib import Path

import pytest

from models.errors import CallerFault
from models.settings import KafkaSecurity, Secret, Settings, unknown_names

KEY = "k" * 24


def test_an_empty_environment_gives_the_defaults(tmp_path: Path) -> None:
    settings = Settings.from_env({}, home=tmp_path)
    assert (settings.home, settings.ports, settings.bind, settings.partitions) == (tmp_path, 7400, "127.0.0.1", 8)
    assert settings.kafka is None and settings.database_url is None and settings.api_key is None
    assert not settings.beyond_loopback


def test_the_default_home_depends_on_who_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Settings.from_env({}).home == Path("/var/lib/rxpulse")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/home/ana/.local/share")
    assert Settings.from_env({}).home == Path("/home/ana/.local/share/rxpulse")


def test_a_given_home_stands_before_the_variable(tmp_path: Path) -> None:
    assert Settings.from_env({"RXPULSE_HOME": "/elsewhere"}, home=tmp_path).home == tmp_path
    assert Settings.from_env({"RXPULSE_HOME": "/elsewhere"}).home == Path("/elsewhere")


def test_an_empty_variable_counts_as_not_given(tmp_path: Path) -> None:
    assert Settings.from_env({"RXPULSE_KAFKA": "", "RXPULSE_PORTS": " "}, home=tmp_path).kafka is None


def test_a_secret_in_a_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    settings = Settings.from_env({"RXPULSE_API_KEY_FILE": str(tmp_path / "key")}, home=tmp_path)
    assert settings.api_key == KEY


def test_no_secret_shows_in_a_dump_of_the_settings(tmp_path: Path) -> None:
    environ = {
        "RXPULSE_API_KEY": KEY,
        "RXPULSE_PSEUDONYM_KEY": "hush-pseudonym-hush-pseudonym",
        "RXPULSE_PREFECT_AUTH": "rx:hush-prefect",
        "RXPULSE_DATABASE_URL": "postgresql://rx:hush-database@db:5432/rx",
        "RXPULSE_KAFKA_SECURITY": "sasl_ssl",
        "RXPULSE_KAFKA_USER": "rx",
        "RXPULSE_KAFKA_PASSWORD": "hush-kafka",
    }
    settings = Settings.from_env(environ, home=tmp_path)
    shown = repr(settings) + repr(dataclasses.asdict(settings))
    assert "hush" not in shown and KEY not in shown and "***" in shown
    assert f"{settings.kafka_password}" == "hush-kafka"
    assert isinstance(settings.database_url, Secret)


def test_every_kafka_setting_is_taken(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    environ = {
        "RXPULSE_KAFKA": "a:9092,b:9092",
        "RXPULSE_KAFKA_SECURITY": "SASL_SSL",
        "RXPULSE_KAFKA_USER": "rx",
        "RXPULSE_KAFKA_PASSWORD": "pw",
        "RXPULSE_KAFKA_CA": str(tmp_path / "ca.pem"),
    }
    settings = Settings.from_env(environ, home=tmp_path)
    assert settings.kafka_security is KafkaSecurity.SASL_SSL
    assert (settings.required_kafka(), settings.kafka_user, settings.kafka_password) == ("a:9092,b:9092", "rx", "pw")
    assert settings.kafka_ca == tmp_path / "ca.pem"


def test_a_user_of_the_mail_server_and_its_password_come_together(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("open sesame\n")
    environ = {"RXPULSE_SMTP_USER": "rx", "RXPULSE_SMTP_PASSWORD_FILE": str(tmp_path / "pw")}
    settings = Settings.from_env(environ, home=tmp_path)
    assert (settings.smtp_user, settings.smtp_password) == ("rx", "open sesame")
    assert "sesame" not in repr(settings)
    for name, value in environ.items():
        with pytest.raises(CallerFault, match="RXPULSE_SMTP_USER and RXPULSE_SMTP_PASSWORD belong together"):
            Settings.from_env({name: value}, home=tmp_path)


def test_addresses_lose_the_slash_at_their_end(tmp_path: Path) -> None:
    settings = Settings.from_env({"RXPULSE_PUBLIC_URL": "https://rx.example.org/"}, home=tmp_path)
    assert settings.public_url == "https://rx.example.org"


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"RXPULSE_PORTS": "80"}, "a whole number from 1024 to 65500, the first port of a block of nine, or auto"),
        ({"RXPULSE_PORTS": "many"}, "RXPULSE_PORTS is 'many'"),
        ({"RXPULSE_PORT": "70000"}, "RXPULSE_PORT is '70000': give a whole number from 1 to 65535"),
        ({"RXPULSE_POLICY": "/no/such.toml"}, "RXPULSE_POLICY: there is no file /no/such.toml"),
        ({"RXPULSE_KAFKA": "kafka://a:9092"}, "RXPULSE_KAFKA is 'kafka://a:9092': give host:port"),
        ({"RXPULSE_KAFKA": "a"}, "give host:port"),
        ({"RXPULSE_KAFKA_SECURITY": "tls"}, "give plaintext, ssl, sasl_ssl"),
        ({"RXPULSE_KAFKA_SECURITY": "sasl_ssl"}, "set RXPULSE_KAFKA_USER and RXPULSE_KAFKA_PASSWORD too"),
        ({"RXPULSE_KAFKA_USER": "rx"}, "set RXPULSE_KAFKA_SECURITY=sasl_ssl too"),
        ({"RXPULSE_DATABASE_URL": "postgresql+asyncpg://a:b@h/d"}, "without a driver's name"),
        ({"RXPULSE_DATABASE_URL": "postgresql://a:b@h"}, "give postgresql://user:password@host:port/database"),
        ({"RXPULSE_DATABASE_URL": "postgresql://a:b@h:x/d"}, "RXPULSE_DATABASE_URL"),
        ({"RXPULSE_API_KEY": "short"}, "has 5 characters: give at least 24"),
        ({"RXPULSE_PSEUDONYM_KEY": "x" * 23}, "has 23 characters: give at least 24"),
        ({"RXPULSE_API_KEY": KEY, "RXPULSE_API_KEY_FILE": __file__}, "are both set: keep one of them"),
        ({"RXPULSE_API_KEY_FILE": "/no/such"}, "RXPULSE_API_KEY_FILE: there is no file /no/such"),
        ({"RXPULSE_PSEUDONYM_KEY_FILE": os.devnull}, "RXPULSE_PSEUDONYM_KEY_FILE"),
        ({"RXPULSE_PREFECT_AUTH": "alone"}, "give user:password"),
        ({"RXPULSE_PREFECT_URL": "localhost:4200"}, "give an address such as http://"),
        ({"RXPULSE_TICK_MARGIN_SECONDS": "nan"}, "give a number from 0 to 60"),
        ({"RXPULSE_DEADLETTER_WINDOW": "0"}, "give a whole number from 1 to"),
        ({"RXPULSE_WORKER_INSTANCE": "w" * 48}, "give at most 47 plain letters"),
        ({"RXPULSE_WORKER_INSTANCE": "wörker"}, "RXPULSE_WORKER_INSTANCE is 'wörker'"),
        ({"RXPULSE_WORKER_INSTANCE": "../w1"}, "the first of them a letter or digit"),
        ({"RXPULSE_BEHIND_PROXY": "perhaps"}, "RXPULSE_BEHIND_PROXY is 'perhaps': give 1 or 0"),
        ({"RXPULSE_TLS_CERT": __file__}, "set both or neither"),
    ],
)
def test_a_wrong_value_is_told_with_variable_and_remedy(environ: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(CallerFault) as fault:
        Settings.from_env(environ, home=tmp_path)
    assert told in str(fault.value)
    assert any(name in str(fault.value) for name in environ)


def test_a_wrong_database_url_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(CallerFault) as fault:
        Settings.from_env({"RXPULSE_DATABASE_URL": "postgresql+psycopg://a:hush@h/d"}, home=tmp_path)
    assert "hush" not in str(fault.value)


def test_a_port_that_is_no_number_in_the_database_url_does_not_show_the_password(tmp_path: Path) -> None:
    with pytest.raises(CallerFault) as fault:
        Settings.from_env({"RXPULSE_DATABASE_URL": "postgresql://a:hu/sh@h:1/d"}, home=tmp_path)
    assert "sh@" not in str(fault.value) and "hu" not in str(fault.value)


def test_an_empty_secret_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    with pytest.raises(CallerFault, match="key is empty; put the secret into it"):
        Settings.from_env({"RXPULSE_PSEUDONYM_KEY_FILE": str(tmp_path / "key")}, home=tmp_path)


@pytest.mark.parametrize("what", ["kafka", "database_url", "port"])
def test_a_role_that_needs_what_is_not_given_says_how_to_give_it(what: str, tmp_path: Path) -> None:
    settings = Settings.from_env({}, home=tmp_path)
    with pytest.raises(CallerFault, match=f"RXPULSE_{what.upper()} is not set: give"):
        getattr(settings, f"required_{what}")()


def test_a_misspelt_variable_is_found() -> None:
    environ = {"RXPULSE_KAFAK": "a:1", "RXPULSE_API_KEY_FILE": "x", "RXPULSE_TEST_DATA": "x", "PATH": "x"}
    assert unknown_names(environ) == ["RXPULSE_KAFAK"]


def test_turnaround_times_are_kept_for_ever_unless_said(tmp_path: Path) -> None:
    assert Settings.from_env({}, home=tmp_path).keep_facts is None
    kept = Settings.from_env({"RXPULSE_KEEP_FACTS_DAYS": "2192"}, home=tmp_path)
    assert kept.keep_facts == timedelta(days=2192)


@pytest.mark.parametrize("days", ["0", "400", "730"])
def test_turnaround_times_are_not_kept_for_less_long_than_the_law_asks(days: str, tmp_path: Path) -> None:
    with pytest.raises(
        CallerFault, match=f"RXPULSE_KEEP_FACTS_DAYS is {days}: give at least 731, .*two years.*unset it"
    ):
        Settings.from_env({"RXPULSE_KEEP_FACTS_DAYS": days}, home=tmp_path)
