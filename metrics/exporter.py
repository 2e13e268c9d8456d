"""Figures for Prometheus, and the small server that every role has beside its work.

`/metrics` gives the figures, `/healthz` says that the process is alive, `/readyz` asks every part that the role needs.
`/metrics` answers this machine itself, or whoever brings the bearer token.
"""

import hmac
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from threading import Thread
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from metrics.catalog import CATALOG, Metric, Shape, of_role

Ready = Callable[[], str | None]
"""What is missing for the role to work, in words; None where nothing is."""


class PrometheusRecorder:
    """Writes the figures of one role into a registry of its own; `role` None: those of the whole catalogue. A figure of
    another role raises KeyError: nothing would show it."""

    def __init__(self, role: str | None = None) -> None:
        # Series that only say when a counter was made would double what is scraped.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        metrics = CATALOG if role is None else of_role(role)
        self._collectors: dict[str, Any] = {metric.name: self._collector(metric) for metric in metrics}

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        self._child(metric, labels).inc(amount)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        self._child(metric, labels).set(value)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        self._child(metric, labels).observe(value)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _collector(self, metric: Metric) -> Counter | Gauge | Histogram:
        match metric.shape:
            case Shape.COUNTER:
                return Counter(metric.name, metric.meaning, metric.labels, registry=self.registry)
            case Shape.GAUGE:
                return Gauge(metric.name, metric.meaning, metric.labels, registry=self.registry)
            case Shape.HISTOGRAM:
                return Histogram(
                    metric.name, metric.meaning, metric.labels, registry=self.registry, buckets=metric.buckets
                )

    def _child(self, metric: Metric, labels: tuple[str, ...]) -> Any:
        collector = self._collectors[metric.name]
        return collector.labels(*labels) if labels else collector


def may_read(address: str, authorization: str | None, token: str | None) -> bool:
    """Whether who asks from `address` may read the figures."""
    if ip_address(address).is_loopback:
        return True
    scheme, _, given = (authorization or "").partition(" ")
    return token is not None and scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())


class RoleServer:
    """`/metrics`, `/healthz` and `/readyz` of one role, in threads of its own."""

    def __init__(self, host: str, port: int, recorder: PrometheusRecorder, ready: Ready, token: str | None) -> None:
        answers = _Answers(recorder, ready, token)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, kind, body = answers.to(self.path, self.client_address[0], self.headers.get("Authorization"))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Health questions come every second and are no news."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def start(self) -> None:
        """Answers from now on, until the process ends or `close` is called."""
        Thread(target=self._server.serve_forever, name="role-server", daemon=True).start()

    def close(self) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._server.server_close()


class _Answers:
    def __init__(self, recorder: PrometheusRecorder, ready: Ready, token: str | None) -> None:
        self._recorder = recorder
        self._ready = ready
        self._token = token

    def to(self, path: str, address: str, authorization: str | None) -> tuple[int, str, bytes]:
        """(status, content type, body)."""
        match path.partition("?")[0]:
            case "/healthz":
                return 200, "text/plain", b"alive\n"
            case "/readyz":
                missing = self._ready()
                return (
                    (200, "text/plain", b"ready\n") if missing is None else (503, "text/plain", f"{missing}\n".encode())
                )
            case "/metrics" if may_read(address, authorization, self._token):
                return 200, CONTENT_TYPE_PLAIN_0_0_4, self._recorder.text()
            case "/metrics":
                return 401, "text/plain", b"give the bearer token of this installation\n"
            case _:
                return 404, "text/plain", b"there are /metrics, /healthz and /readyz\n"
