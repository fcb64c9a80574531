"""Measurements in Prometheus' format. Without a web framework, so that the worker's small server gives them too.

One registry per application: several services in one process do not mix. Under gunicorn with several processes,
PROMETHEUS_MULTIPROC_DIR names a folder through which they add up; whichever answers then speaks for all.
State that lives in the database (outbox, inbox) is read when asked for, never counted along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import sqlalchemy as sa
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest, multiprocess, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.messaging.outbox import outbox_state
from shared.messaging.parking import parking_state
from shared.persistence.unit_of_work import Reading
from shared.runtime.assembly import Assembly
from shared.runtime.logging import get_logger

#: Upper bounds in seconds. Requests take 2 to 50 ms; what lies above a second is counted, not resolved.
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
#: Media type of the exposition text.
CONTENT_TYPE = CONTENT_TYPE_LATEST

log = get_logger(__name__)


class Metrics:
    """The measurements of one application or worker."""

    def __init__(self, assembly: Assembly) -> None:
        self._service = assembly.service.name
        #: For further counters of this process, such as the worker's.
        self.registry = CollectorRegistry()
        self._states = _DatabaseStates(assembly)
        self._requests = Histogram(
            "lianmeng_http_request_seconds",
            "HTTP requests by route and status",
            ("service", "method", "route", "status"),
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request. `route` is the pattern, not the path: paths hold ids and are without number."""
        self._requests.labels(self._service, method, route, str(status)).observe(max(seconds, 0.0))

    def render(self) -> tuple[bytes, str]:
        """The exposition text and its media type."""
        gathered = self.registry
        if _several_processes():
            gathered = CollectorRegistry()
            multiprocess.MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]  # the library is half typed
        states = CollectorRegistry()
        states.register(self._states)
        return generate_latest(gathered) + generate_latest(states), CONTENT_TYPE


def forget_process(pid: int) -> None:
    """Drop the gauges of a web process that ended; for gunicorn's `child_exit`."""
    if _several_processes():
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library is half typed


def _several_processes() -> bool:
    # The library decides when it is imported whether numbers go into memory or into the shared folder; ask it rather
    # than the environment, which may have changed since.
    return bool(values.ValueClass._multiprocess)  # noqa: SLF001 - there is no public way


class _DatabaseStates(Collector):
    """What waits in outbox and inbox, looked up at every scrape."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: registering must not touch the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """One gauge per number; `lianmeng_database_up` alone when the database does not answer."""
        labels = {"service": self._assembly.service.name}
        looks: Mapping[str, Callable[[Reading], Mapping[str, float]]] = {"outbox": outbox_state, "inbox": parking_state}
        found: list[Metric] = []
        up = 1.0
        try:
            with self._assembly.reading() as reading:
                for name, look in looks.items():
                    found += [_gauge(f"lianmeng_{name}_{key}", value, labels) for key, value in look(reading).items()]
        except sa.exc.SQLAlchemyError as error:
            log.warning("metrics.database", error=type(error).__name__)
            found, up = [], 0.0
        return [_gauge("lianmeng_database_up", up, labels), *found]


def _gauge(name: str, value: float, labels: Mapping[str, str]) -> Metric:
    family = GaugeMetricFamily(name, name.removeprefix("lianmeng_").replace("_", " "), labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family
