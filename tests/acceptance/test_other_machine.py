"""Beyond this machine: another one reads the board and sends events over TLS, the link in a mail leads there, and without
TLS nothing is opened."""

import json
import re
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import require_program
from tests.mailserver import mail_server
from tests.stacks import Stack

POLICY = """
extends = "inpatient"
[site.mercy]
setting = "inpatient"
timezone = "America/New_York"
[person.ana]
name = "Ana"
email = "ana@example.org"
[ladder.urgent]
for = {{ severity = ["S1", "S2"], name = ["stat-verified"] }}
steps = [{{ after = "0s", to = ["person:ana"], by = ["email"] }}]
[channel.email]
smtp = "{smtp}"
from = "rxpulse@example.org"
"""
ORDER = {
    "specversion": "1.0",
    "id": "1",
    "source": "/mercy/pis",
    "type": "rx.order.entered",
    "subject": "order/by-hand",
    "data": {"site": "mercy", "setting": "inpatient", "priority": "stat"},
}


@pytest.fixture
def address() -> str:
    """The address under which other machines see this one."""
    found = [
        one.address
        for name, addresses in psutil.net_if_addrs().items()
        for one in addresses
        if one.family is socket.AF_INET and not one.address.startswith("127.") and psutil.net_if_stats()[name].isup
    ]
    if not found:
        pytest.skip("this machine has no address but loopback: connect it to a network")
    return found[0]


@pytest.fixture
def certificate(tmp_path: Path, address: str) -> tuple[Path, Path]:
    """A certificate for that address, and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    openssl = require_program("openssl", "openssl")
    made = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        str(key),
        "-out",
        str(cert),
    ]
    subprocess.run(
        [*made, "-subj", "/CN=rx", "-addext", f"subjectAltName=IP:{address}"], check=True, capture_output=True
    )
    return cert, key


def free_block() -> int:
    """The first port of a block that nobody uses now."""
    for base in range(21_000, 30_000, 10):
        used = {one.laddr.port for one in psutil.net_connections("inet") if one.laddr}
        if not used & set(range(base, base + 10)):
            return base
    raise AssertionError("no ports are free")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_another_machine_reads_sends_and_follows_a_mail_by_tls(
    own_home: Path, tmp_path: Path, address: str, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    base = free_block()
    public = f"https://{address}:{base}"
    with mail_server() as mail:
        policy = tmp_path / "policy.toml"
        policy.write_text(POLICY.format(smtp=mail.url))
        environ = {
            "RXPULSE_POLICY": str(policy),
            "RXPULSE_BIND": "0.0.0.0",
            "RXPULSE_PORTS": str(base),
            "RXPULSE_PUBLIC_URL": public,
            "RXPULSE_TLS_CERT": str(cert),
            "RXPULSE_TLS_KEY": str(key),
        }
        trusted = ssl.create_default_context(cafile=cert)
        with (
            Stack(own_home, **environ).up() as stack,
            httpx.Client(verify=trusted, trust_env=False, headers={"sec-fetch-site": "same-origin"}) as browser,
        ):
            link = stack.run("console", "--link").stdout.strip()
            assert link.startswith(f"{public}/enter?link=")
            token = link.partition("=")[2]
            signed_in = browser.post(f"{public}/enter", data={"link": token, "person": "ana"}, follow_redirects=True)
            assert signed_in.status_code == 200 and "Where work waits" in signed_in.text
            assert all(cookie.secure and cookie.name.startswith("__Host-") for cookie in browser.cookies.jar)
            with pytest.raises(httpx.HTTPError):
                httpx.get(f"http://{address}:{base}/board", trust_env=False)

            now = datetime.now(UTC)
            late = {"time": (now - timedelta(minutes=10)).isoformat(), "recorded": now.isoformat()}
            api_key = (own_home / "keys" / "api.key").read_text("ascii").strip()
            sent = browser.post(
                f"https://{address}:{base + 1}/api/v1/events",
                content=json.dumps(ORDER | late),
                headers={"content-type": "application/cloudevents+json", "authorization": f"Bearer {api_key}"},
            )
            assert sent.status_code == 202, sent.text
            stack.until(lambda: mail.taken, "Ana has mail")
            (_, page) = mail.taken[0]
            (link,) = re.findall(rf"{re.escape(public)}/a/\S+", page.get_content())
            assert "Acknowledge" in browser.get(link).text


def test_without_tls_nothing_is_opened_to_other_machines(own_home: Path) -> None:
    refused = Stack(own_home, RXPULSE_BIND="0.0.0.0").run("up", "--detach")
    assert refused.returncode == 1
    assert "RXPULSE_TLS_CERT" in refused.stderr and "RXPULSE_BEHIND_PROXY=1" in refused.stderr
