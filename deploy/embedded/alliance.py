"""An alliance in one process: four services and the console, workers on an in-process bus, one HTTP address for all.

It starts and stops things in the right order and decides nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

import httpx
from flask import Flask, Response, jsonify

from deploy.embedded.http_server import HttpServer
from shared.messaging.in_process import InProcess
from shared.runtime.assembly import assemble, load_service
from shared.runtime.settings import Settings
from shared.runtime.worker import Worker
from shared.web.app_factory import create_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SERVICES = ("membership", "meetings", "finance", "notifications")
CONSOLE = "console"


class EmbeddedAlliance:
    """Everything of an alliance, for the length of a `with` block: migrate, run commands, start."""

    def __init__(self, server: HttpServer, make_settings: Callable[[str], Settings]) -> None:
        self._server = server
        self.assemblies = {name: assemble(load_service(name), make_settings(name)) for name in SERVICES}
        self.console_assembly = assemble(load_service(CONSOLE), make_settings(CONSOLE))
        bus = InProcess()
        self._workers = [Worker(assembly, bus) for assembly in self.assemblies.values()]
        self._started = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Finish what is in hand and let go of everything."""
        if self._started:
            # Whoever follows a page lets go of its thread; the server would wait for it in vain.
            self.console_assembly.wakeups.stop()
            self._server.stop()
            # Together: a relay whose neighbour has gone would report that nobody listens.
            _at_once(worker.stop for worker in self._workers)
        else:
            self._server.close()
        for assembly in (self.console_assembly, *self.assemblies.values()):
            assembly.close()

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._server.url

    def migrate(self) -> None:
        """Bring every database to the expected schema."""
        # One after the other: Alembic's `op` is one for the whole process.
        for assembly in (*self.assemblies.values(), self.console_assembly):
            assembly.migrate()

    def run_command(self, service: str, command: str, arguments: Sequence[str]) -> int:
        """A service's own console command, e.g. membership's `found`; its exit status."""
        assembly = self.assemblies[service]
        return assembly.service.console_commands[command](assembly, arguments)

    def start(self) -> None:
        """Serve the APIs, and the console for everything else."""
        applications = {name: create_app(assembly).wsgi_app for name, assembly in self.assemblies.items()}
        # All ears open before the first voice: an event nobody consumes yet would have to be sent again.
        for worker in self._workers:
            worker.subscribe()
        for worker in self._workers:
            worker.start()
        # Straight into the services: over the socket, pages would wait for threads that wait for pages.
        apis = httpx.WSGITransport(app=dispatcher(applications, _nothing()))
        make_web = self.console_assembly.service.make_web
        assert make_web is not None
        self.console: Flask = make_web(self.console_assembly, apis)
        #: Everything that one address answers.
        self.application = dispatcher(applications, self.console.wsgi_app, health=_health(self.is_alive))
        self._server.start(self.application)
        self._started = True

    def is_alive(self) -> bool:
        """Whether every worker's threads run."""
        return all(worker.is_alive() for worker in self._workers)


def dispatcher(
    applications: Mapping[str, WSGIApplication], rest: WSGIApplication, health: WSGIApplication | None = None
) -> WSGIApplication:
    """One WSGI callable: `/api/<service>/…` to that service, path unchanged, as the gateway does; the rest to `rest`."""

    def dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        first, second = [*environ.get("PATH_INFO", "").split("/")[1:3], "", ""][:2]
        chosen = rest
        if first == "api":
            chosen = applications.get(second, rest)
        elif first == "health" and health is not None:
            chosen = health
        return chosen(environ, start_response)

    return dispatch


def _health(is_alive: Callable[[], bool]) -> WSGIApplication:
    """Whether the whole process does its work: pages answer even while a worker has died."""
    app = Flask("health", static_folder=None)

    @app.get("/health")
    @app.get("/health/live")
    @app.get("/health/ready")
    def health() -> tuple[Response, int]:
        alive = is_alive()
        return jsonify({"status": "ready" if alive else "not ready"}), 200 if alive else 503

    return app.wsgi_app


def _nothing() -> WSGIApplication:
    """Answers 404."""
    return Flask("nothing", static_folder=None).wsgi_app


def _at_once(calls: Iterable[Callable[[], object]]) -> None:
    """Run all of them side by side; the first failure is raised once all have ended."""
    failures: list[BaseException] = []

    def run(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - handed on to the caller's thread below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
