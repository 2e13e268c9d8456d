"""A Prometheus of the machine's own beside the stack: what each role shows of itself, kept for two days.

RxPulse does not bring Prometheus; where the program is installed, a stack starts one with its own targets and the alert
rules that ship, so that the figures can be looked at. Nothing depends on it.
"""

import json
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from models.errors import OurFault

_KEPT = ("--storage.tsdb.retention.time=2d", "--storage.tsdb.retention.size=256MB")
_RULES = (Path(__file__).with_name("rules.yml"), Path(__file__).parents[1] / "deploy" / "prometheus" / "rules.yml")
"""Where an installed wheel has them, and a checkout."""


def program(environ: Mapping[str, str], port: int) -> str | None:
    """The program, where this machine has it and the port is free; else None."""
    found = shutil.which("prometheus", path=environ.get("PATH"))
    return found if found and _free(port) else None


def rules() -> Path:
    """The alert rules that ship. Raises OurFault where this installation has none."""
    found = next((one for one in _RULES if one.is_file()), None)
    if found is None:
        raise OurFault(f"the alert rules are missing: neither {_RULES[0]} nor {_RULES[1]} is there")
    return found


def configuration(targets: Mapping[str, str], key: Path | None, rules: Path | None) -> str:
    """Prometheus' settings: `targets` are the addresses of the roles by name, `key` the file with the key of the
    installation, which roles that listen beyond this machine may ask for."""
    scraped = [
        {"targets": [address.partition("://")[2]], "labels": {"role": role, "__scheme__": address.partition("://")[0]}}
        for role, address in targets.items()
    ]
    # The certificate is that of the name by which people reach the console, not of this address.
    job = {"job_name": "rxpulse", "static_configs": scraped, "tls_config": {"insecure_skip_verify": True}}
    if key:
        job["authorization"] = {"credentials_file": str(key)}
    whole = {
        "global": {"scrape_interval": "5s", "evaluation_interval": "15s"},
        "rule_files": [str(rules)] if rules else [],
        "scrape_configs": [job],
    }
    return json.dumps(whole, indent=1) + "\n"  # JSON is YAML


def settings_file(home: Path) -> Path:
    """Where `configuration` lies."""
    return home / "state" / "prometheus.yml"


def argv(program: str, home: Path, port: int) -> tuple[str, ...]:
    """On loopback alone, its data in the home."""
    return (
        program,
        f"--config.file={settings_file(home)}",
        f"--storage.tsdb.path={home / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
        *_KEPT,
    )


def _free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
