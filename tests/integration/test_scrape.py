"""A running stack seen with everybody's tools: Prometheus scrapes every role, kcat feeds and reads the topics, curl posts
events and follows the live feed."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics.catalog import CATALOG, CONSOLE_REQUESTS, EVENTS, Shape, of_role
from rxpulse.bench.rig import Rig, standing
from tests.conftest import require_program
from tests.live import until

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus" / "scrape.yml"
ROLES = ("worker", "dispatcher", "reports", "console", "intake")
WITHIN = 60.0
_POLICY = """extends = ["inpatient", "retail"]
[person.ana]
name = "Ana"
[ladder.all]
steps = [{ after = "0s", to = ["person:ana"], by = ["inbox"] }]
repeat = { from_step = 1, times = 3, after = "10m" }
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Rig]:
    """A stack of its own with every role and somebody to tell: what others feed would be scraped too."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as policy:
        policy.write(_POLICY)
        policy.flush()
        with standing(os.environ, Path(policy.name), ("kafka", "postgres", "prefect", *ROLES)) as rig:
            yield rig


def sold(case: str) -> dict[str, Any]:
    """A fill that was handed over, and nobody checked it: it breaks a rule."""
    now = datetime.now(UTC).isoformat()
    return {
        "specversion": "1.0",
        "id": f"sold-{case}",
        "source": "/elm/pms",
        "type": "rx.sold",
        "time": now,
        "recorded": now,
        "subject": case,
        "data": {"site": "elm", "setting": "retail"},
    }


# Prometheus


@pytest.fixture(scope="module")
def prometheus(stack: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A Prometheus with the configuration that ships, moved to this stack's ports, once every target is up."""
    program, folder = require_program("prometheus", "prometheus"), tmp_path_factory.mktemp("prometheus")
    ports = {str(7400 + offset): str(stack.plan.base + offset) for offset in range(9)}
    moved = re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda port: ports[port[0]], SHIPPED.read_text("utf-8"))
    config = folder / "scrape.yml"
    quick = moved.replace("scrape_interval: 15s", "scrape_interval: 1s").replace("[rules.yml]", "[quick.yml]")
    config.write_text(quick, "utf-8")
    rules = (SHIPPED.parent / "rules.yml").read_text("utf-8")
    (folder / "quick.yml").write_text(rules.replace("interval: 15s", "interval: 1s"), "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *options], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1", timeout=10) as client:
            until(lambda: _up(client) == set(ROLES), why="every role scraped")
            yield client
    finally:
        process.terminate()
        process.wait(20)


def _up(client: httpx.Client) -> set[str]:
    try:
        targets = client.get("/targets").json()["data"]["activeTargets"]
    except (httpx.TransportError, json.JSONDecodeError):
        return set()
    return {one["labels"]["role"] for one in targets if one["health"] == "up"}


def test_the_configuration_that_ships_names_every_role_and_is_without_a_fault() -> None:
    program = require_program("promtool", "prometheus")
    found = subprocess.run([program, "check", "config", str(SHIPPED)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert {metric.role for metric in CATALOG} == set(ROLES)
    assert set(re.findall(r"role: (\w+)", SHIPPED.read_text("utf-8"))) == set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_prometheus_gets_every_metric_of_a_role_and_none_of_another(prometheus: httpx.Client, role: str) -> None:
    asked = {"match_target": f'{{role="{role}"}}'}
    said = prometheus.get("/targets/metadata", params=asked).json()["data"]
    found = {one["metric"]: (one["type"], one["help"]) for one in said}
    assert found == {metric.name: (metric.shape.value, metric.meaning) for metric in of_role(role)}


def test_prometheus_gets_a_value_of_every_metric_without_labels(prometheus: httpx.Client) -> None:
    plain = {
        metric.name + ("_count" if metric.shape is Shape.HISTOGRAM else "") for metric in CATALOG if not metric.labels
    }

    def missing() -> set[str]:
        answer = prometheus.get("/query", params={"query": '{__name__=~"rxpulse_.*"}'}).json()["data"]["result"]
        return plain - {one["metric"]["__name__"] for one in answer}

    until(lambda: not missing(), why=f"all of {plain}")


def test_what_the_worker_applies_is_counted_in_prometheus(prometheus: httpx.Client, stack: Rig) -> None:
    query = f'{EVENTS.name}{{outcome="accepted"}}'

    def accepted() -> float:
        answer = prometheus.get("/query", params={"query": query}).json()["data"]["result"]
        return float(answer[0]["value"][1]) if answer else 0.0

    before = accepted()
    post(stack, sold("fill/scraped"))
    until(lambda: accepted() > before, why="one event more")


@pytest.mark.parametrize("role", ROLES)
def test_promtool_has_nothing_against_the_metrics_of_a_role(stack: Rig, role: str) -> None:
    text = httpx.get(f"http://127.0.0.1:{stack.plan.ports[role]}/metrics").content
    argv = [require_program("promtool", "prometheus"), "check", "metrics"]
    found = subprocess.run(argv, input=text, capture_output=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, b"")


def test_whom_the_console_turns_away_is_counted_and_who_asks_for_its_health_is_not(stack: Rig) -> None:
    url = f"http://127.0.0.1:{stack.plan.ports['console']}"

    def counted() -> dict[str, float]:
        samples = re.findall(rf'^{CONSOLE_REQUESTS.name}{{status="(\d+)"}} (\S+)$', _metrics(url), re.MULTILINE)
        return {status: float(value) for status, value in samples}

    before = counted()
    assert httpx.get(f"{url}/api/v1/board").status_code == 401
    assert httpx.get(f"{url}/readyz").status_code == 200
    assert counted() == before | {"401": before.get("401", 0) + 1}


def _metrics(url: str) -> str:
    return httpx.get(f"{url}/metrics").text


def alerts(prometheus: httpx.Client) -> dict[str, str]:
    """The alerts that are pending or firing."""
    return {one["labels"]["alertname"]: one["state"] for one in prometheus.get("/alerts").json()["data"]["alerts"]}


def test_the_alerts_find_nothing_to_say_of_a_stack_that_works(prometheus: httpx.Client) -> None:
    assert len(_rules(prometheus)) == 15
    until(lambda: all(one["health"] == "ok" for one in _rules(prometheus)), why="every rule evaluated")
    # What was found while the roles came up is over by now.
    until(lambda: not alerts(prometheus), why="no alert")


def test_a_dispatcher_that_stands_still_is_noticed_and_its_return_too(prometheus: httpx.Client, stack: Rig) -> None:
    until(lambda: not alerts(prometheus), why="no alert")
    pid = stack.parts()["dispatcher"]
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: "RxPulseDispatcherDead" in alerts(prometheus), why="the alert")
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: not alerts(prometheus), why="no alert")


def _rules(prometheus: httpx.Client) -> list[dict[str, Any]]:
    return [rule for group in prometheus.get("/rules").json()["data"]["groups"] for rule in group["rules"]]


# The dashboard

_DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "board-and-turnaround.json"
_PANELS = {
    panel["title"]: panel["targets"][0]["expr"]
    for panel in json.loads(_DASHBOARD.read_text("utf-8"))["panels"]
    if "expr" in panel.get("targets", [{}])[0]
}


@pytest.mark.parametrize("title", _PANELS)
def test_prometheus_answers_each_question_of_the_dashboard(prometheus: httpx.Client, stack: Rig, title: str) -> None:
    post(stack, sold(f"fill/shown-{[*_PANELS].index(title)}"))
    query = _PANELS[title].replace("$__rate_interval", "20s")
    assert "$" not in query

    def numbers() -> list[str]:
        """Those that are one: a quantile of nothing is not."""
        answer = prometheus.get("/query", params={"query": query}).json()["data"]["result"]
        return [one["value"][1] for one in answer if one["value"][1] != "NaN"]

    assert until(numbers, why=f"an answer to {query}")


# kcat


def kcat(stack: Rig, *options: str, given: str | None = None) -> str:
    """What kcat (Debian's kafkacat) prints."""
    argv = [require_program("kcat", "kafkacat"), "-q", "-b", stack.settings.required_kafka(), *options]
    done = subprocess.run(argv, input=given, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kcat_feeds_an_event_and_reads_the_signal_that_it_raises(stack: Rig) -> None:
    case = "fill/fed-by-kcat"
    record = f"{case}\t{json.dumps(sold(case))}\n"
    kcat(stack, "-P", "-t", "rx.events", "-K", "\t", "-X", "partitioner=murmur2_random", given=record)

    def signals() -> list[dict[str, Any]]:
        lines = kcat(stack, "-C", "-t", "rx.signals", "-o", "beginning", "-e").splitlines()
        return [one for line in lines if (one := json.loads(line))["subject"] == case]

    [raised] = until(signals, why="the signal on its public topic")
    assert raised["type"] == "rx.signal.raised"
    assert raised["data"]["name"] == "sold-before-final-check" and raised["data"]["severity"] == "S1"


def test_kcat_reads_the_record_of_everything_that_happened(stack: Rig) -> None:
    post(stack, sold("fill/read-by-kcat"))
    lines = kcat(stack, "-C", "-t", "rx.events", "-o", "beginning", "-e", "-f", "%k\t%s\n").splitlines()
    records = dict(line.split("\t", 1) for line in lines)
    assert json.loads(records["fill/read-by-kcat"])["type"] == "rx.sold"


# curl


@pytest.fixture(scope="module")
def key(stack: Rig, tmp_path_factory: pytest.TempPathFactory) -> str:
    """How curl gets the key of the installation without showing it to whoever lists processes."""
    file = tmp_path_factory.mktemp("key") / "header"
    file.write_text(f"Authorization: Bearer {stack.settings.api_key}\n")
    return f"@{file}"


def test_curl_posts_an_event(stack: Rig, key: str) -> None:
    url = f"http://127.0.0.1:{stack.plan.ports['intake']}/api/v1/events"
    media = "Content-Type: application/cloudevents+json"
    body = json.dumps(sold("fill/posted-by-curl"))
    argv = [require_program("curl", "curl"), "-sS", "--fail-with-body", "-H", key, "-H", media, "-d", body, url]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_curl_follows_the_live_feed(stack: Rig, key: str) -> None:
    url = f"http://127.0.0.1:{stack.plan.ports['console']}/api/v1/feed"
    argv = [require_program("curl", "curl"), "-sSN", "--max-time", f"{WITHIN:g}", "-H", key, url]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        # The feed begins with a word, so that whoever listens knows that it is there.
        begun = curl.stdout.readline()
        post(stack, sold("fill/followed-by-curl"))
        lines = [begun]
        for line in curl.stdout:
            lines.append(line)
            if line.startswith("data:") and json.loads(line[5:]).get("case") == "fill/followed-by-curl":
                break
        curl.kill()
    assert lines[-1].startswith("data:"), "".join(lines)
    assert "event: signal\n" in lines[-3:-1]


def test_curl_without_the_key_gets_no_feed(stack: Rig) -> None:
    url = f"http://127.0.0.1:{stack.plan.ports['console']}/api/v1/feed"
    argv = [require_program("curl", "curl"), "-sS", "-o", os.devnull, "-w", "%{http_code}", url]
    assert subprocess.run(argv, capture_output=True, text=True, timeout=WITHIN, check=False).stdout == "401"


def post(stack: Rig, event: dict[str, Any]) -> None:
    """Sends an event to the intake, which must take it."""
    answer = httpx.post(
        f"http://127.0.0.1:{stack.plan.ports['intake']}/api/v1/events",
        content=json.dumps(event),
        headers={
            "authorization": f"Bearer {stack.settings.api_key}",
            "content-type": "application/cloudevents+json",
        },
        timeout=20,
    )
    assert answer.status_code == 202, answer.text
