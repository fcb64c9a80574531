"""Is this process alive, and should it get work? Without a web framework, so that web and worker answer the same.

*Live* depends on nothing: a process that answers is alive, and restarting it would not bring a database back.
*Ready* needs the database at the expected schema, and that we are not shutting down. Never the broker: what we accept
while it is away waits in the outbox.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http import HTTPStatus

import sqlalchemy as sa

from shared.persistence.migrate import pending
from shared.runtime.assembly import Assembly
from shared.runtime.logging import get_logger

Answer = tuple[int, Mapping[str, object]]

log = get_logger(__name__)


class Health:
    """The health of one process."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._draining = threading.Event()
        self._schema_current = False

    def drain(self) -> None:
        """Say "not ready" from now on, so that no new work comes while the last is finished."""
        self._draining.set()

    def live(self) -> Answer:
        """Whether the process answers."""
        return HTTPStatus.OK.value, {"status": "live", "service": self._assembly.service.name}

    def ready(self) -> Answer:
        """Whether the process should get work, and if not, why."""
        checks = {"database": self._database(), "draining": "yes" if self._draining.is_set() else "no"}
        ready = checks == {"database": "ok", "draining": "no"}
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        name = "ready" if ready else "not ready"
        return status.value, {"status": name, "service": self._assembly.service.name, "checks": checks}

    def summary(self) -> Answer:
        """For people: the service's title beside its readiness."""
        status, body = self.ready()
        return status, {**body, "title": self._assembly.service.title}

    def _database(self) -> str:
        try:
            if self._schema_current:
                with self._assembly.reading() as reading:
                    reading.scalar(sa.select(1))
                return "ok"
            missing = pending(self._assembly.database, self._assembly.service.root)
        except sa.exc.SQLAlchemyError as error:
            log.warning("health.database", error=type(error).__name__)
            return "unreachable"
        # Schemas only move forward while we run, so a current one is not looked up again.
        self._schema_current = not missing
        return "ok" if not missing else f"schema behind: {', '.join(missing)}"
