"""The Prometheus beside the stack: only where there is one and its port is free, on loopback, with what ships."""

import json
import socket
import subprocess
from pathlib import Path

import pytest

from rxpulse import ports, prometheus
from tests.conftest import require_program

TARGETS = {"worker": "http://127.0.0.1:7402", "console": "https://127.0.0.1:7400"}


def on_path(folder: Path) -> dict[str, str]:
    program = folder / "prometheus"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return {"PATH": str(folder)}


def test_a_machine_without_the_program_gets_none(tmp_path: Path) -> None:
    assert prometheus.program({"PATH": str(tmp_path)}, ports.choose("auto", "127.0.0.1", None)) is None


def test_a_port_that_somebody_holds_is_left_alone(tmp_path: Path) -> None:
    environ = on_path(tmp_path)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        assert prometheus.program(environ, port) is None
    assert prometheus.program(environ, port) == str(tmp_path / "prometheus")


def test_its_settings_are_without_a_fault(tmp_path: Path) -> None:
    program, file, key = require_program("promtool", "prometheus"), tmp_path / "prometheus.yml", tmp_path / "api.key"
    key.write_text("k")
    file.write_text(prometheus.configuration(TARGETS, key, prometheus.rules()))
    done = subprocess.run([program, "check", "config", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "1 rule files found" in done.stdout, done.stdout + done.stderr


def test_it_asks_every_role_as_that_role_answers() -> None:
    said = json.loads(prometheus.configuration(TARGETS, None, None))
    [job] = said["scrape_configs"]
    assert job["static_configs"] == [
        {"targets": ["127.0.0.1:7402"], "labels": {"role": "worker", "__scheme__": "http"}},
        {"targets": ["127.0.0.1:7400"], "labels": {"role": "console", "__scheme__": "https"}},
    ]
    assert "authorization" not in job and said["rule_files"] == []


@pytest.mark.parametrize("flag", ["--web.listen-address=127.0.0.1:7409", "--storage.tsdb.retention.time=2d"])
def test_it_listens_on_loopback_alone_and_keeps_little(flag: str, tmp_path: Path) -> None:
    assert flag in prometheus.argv("prometheus", tmp_path, 7409)
