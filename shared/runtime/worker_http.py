"""The worker's little HTTP server: health and metrics for container engines and collectors, nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.runtime.assembly import Assembly
from shared.runtime.health import Health
from shared.runtime.metrics import Metrics
from shared.runtime.worker import Worker


@contextmanager
def serve_health(assembly: Assembly, worker: Worker) -> Iterator[None]:
    """Answer /health/live, /health/ready and /metrics while the block runs; nothing when the port is 0."""
    port = assembly.settings.worker_port
    if port == 0:
        yield
        return
    server = ThreadingHTTPServer(("", port), _handler(assembly, worker))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _handler(assembly: Assembly, worker: Worker) -> type[BaseHTTPRequestHandler]:
    health = Health(assembly)
    metrics = Metrics(assembly)
    metrics.registry.register(_WorkerCounts(assembly.service.name, worker))

    class Handler(BaseHTTPRequestHandler):
        """GET only; the standard library's server is enough for one question every few seconds."""

        def do_GET(self) -> None:
            if self.path == "/metrics":
                body, media_type = metrics.render()
                self._answer(200, body, media_type)
            elif self.path in ("/health/live", "/health/ready"):
                status, answer = self._health()
                self._answer(status, json.dumps(answer).encode(), "application/json")
            else:
                self._answer(404, b"{}", "application/json")

        def _health(self) -> tuple[int, object]:
            if self.path == "/health/ready":
                return health.ready()
            return health.live() if worker.is_alive() else (503, {"status": "a thread of the worker has ended"})

        def _answer(self, status: int, body: bytes, media_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Health checks are not worth a line each."""

    return Handler


class _WorkerCounts(Collector):
    """What the worker's consumer and relay have seen since the process started."""

    def __init__(self, service: str, worker: Worker) -> None:
        self._service = service
        self._worker = worker

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(
            "lianmeng_consumed_events", "events taken in, by outcome", labels=["service", "outcome"]
        )
        for outcome, count in vars(self._worker.consumer.counts).items():
            family.add_metric([self._service, outcome], count)
        yield family
        refusals = CounterMetricFamily(
            "lianmeng_relay_refusals", "events that the broker did not take, at every try", labels=["service"]
        )
        refusals.add_metric([self._service], self._worker.relay.refusals)
        yield refusals
