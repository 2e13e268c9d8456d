"""The console as an operator runs it: its start and its stop, TLS, health and figures, a database that is away or has no
tables, and the command that prints a link."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from models.errors import CallerFault
from models.settings import Settings
from models.store.connecting import connect
from rxpulse.cli import main
from tests.conftest import require_program
from tests.console import KEY, Served, Story, serving
from tests.listening import Listener


def test_health_is_open_and_the_figures_are_not_for_strangers(story: Story, database_url: str) -> None:
    with serving(database_url) as near, serving(database_url, behind_proxy=True) as far:
        assert httpx.get(f"{near.url}/healthz").text == "alive\n"
        assert httpx.get(f"{near.url}/readyz").text == "ready\n"
        assert httpx.get(f"{near.url}/metrics").status_code == 200
        assert httpx.get(f"{far.url}/metrics").status_code == 401
        assert far.api().get("/metrics").status_code == 200


def test_the_role_starts_by_its_environment_and_stops_though_somebody_listens(
    story: Story, database_url: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    env = {
        "RXPULSE_DATABASE_URL": database_url,
        "RXPULSE_PORT": port,
        "RXPULSE_HOME": str(tmp_path),
        "RXPULSE_API_KEY": KEY,
    }
    role = subprocess.Popen(
        [sys.executable, "-m", "rxpulse", "console"], env=os.environ | env, stderr=subprocess.PIPE, text=True
    )
    assert role.stderr is not None
    try:
        assert any("running on http://127.0.0.1" in line for line in role.stderr), "the console did not start"
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {KEY}"}) as api:
            listener = Listener(api)
            listener.block()
            role.send_signal(signal.SIGTERM)
            with pytest.raises(AssertionError, match="ended"):
                listener.block()
            listener.close()
        assert role.wait(10) in (0, -signal.SIGTERM)
    finally:
        role.kill()
        role.wait()
        role.stderr.close()


def test_the_console_speaks_tls_with_the_certificate_given(story: Story, database_url: str, tmp_path: Path) -> None:
    openssl = require_program("openssl", "openssl")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    asked = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    name = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([openssl, *asked, *name], check=True, capture_output=True)
    with serving(database_url, tls_cert=cert, tls_key=key) as served:
        token = served.link().partition("link=")[2]
        with httpx.Client(base_url=served.url, verify=ssl.create_default_context(cafile=str(cert))) as browser:
            assert browser.post("/enter", data={"link": token}).status_code == 303
            assert browser.cookies["__Host-rxpulse"]
            assert browser.get("/board").status_code == 200


def test_while_the_database_is_away_the_console_says_so_and_lives() -> None:
    with serving("postgresql://nobody@127.0.0.1:9/none") as served:
        answer = served.api().get("/api/v1/board", timeout=20)
        assert answer.status_code == 503 and "does not answer" in answer.json()["detail"]
        assert httpx.get(f"{served.url}/healthz").status_code == 200


def test_a_database_without_tables_is_said(stack: object, database_url: str) -> None:
    with connect(database_url, "a test", autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    env = {**os.environ, "RXPULSE_DATABASE_URL": database_url, "RXPULSE_PORT": "9", "RXPULSE_HOME": "/nowhere"}
    ended = subprocess.run([sys.executable, "-m", "rxpulse", "console"], env=env, capture_output=True, text=True)
    assert ended.returncode == 1 and "has no tables" in ended.stderr and "Traceback" not in ended.stderr


def test_the_console_does_not_start_in_the_open_without_tls(tmp_path: Path) -> None:
    given = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_BIND": "0.0.0.0"}
    with pytest.raises(CallerFault, match="RXPULSE_TLS_CERT"):
        Settings.from_env(given).check_exposure()
    Settings.from_env({**given, "RXPULSE_BEHIND_PROXY": "1"}).check_exposure()
    Settings.from_env({**given, "RXPULSE_BIND": "127.0.0.1"}).check_exposure()


def test_the_command_prints_a_link_that_signs_in(console: Served, database_url: str, tmp_path: Path) -> None:
    env = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_DATABASE_URL": database_url, "RXPULSE_PUBLIC_URL": console.url}
    link = CliRunner().invoke(main, ["console", "--link"], env=env, catch_exceptions=False).output.strip()
    assert link.startswith(f"{console.url}/enter?link=")
    assert "<form" in httpx.get(link).text
