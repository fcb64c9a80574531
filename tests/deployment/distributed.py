"""The four services as an operator runs them: PostgreSQL, RabbitMQ, gunicorn and a worker each, as child processes.

Every process can be killed, stopped and started by itself, a worker also with a failpoint armed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.deployment.addresses import PASSWORD, SERVICES, Sinks
from tests.deployment.process import ROOT, Process, base_environment
from tests.servers import PostgreSQL, VirtualHost
from tests.servers.ports import HOST, free_ports
from tests.waiting import wait_until

CHARTER = ROOT / "deploy" / "charter" / "zhuzhou.toml"
#: Seconds in which a process must be ready; eight Pythons start at once on two cores.
READY_SECONDS = 60.0
#: Threads of each web process: enough for fifty votes at once to meet in the database rather than in a queue.
WEB_THREADS = 16


class Distributed:
    """One alliance. A context manager: founded and serving inside the block."""

    def __init__(
        self,
        *,
        postgresql: PostgreSQL,
        room: VirtualHost,
        directory: Path,
        founding_file: Path,
        sinks: Sinks,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.how = f"processes on {postgresql.how} and {room.broker.how}"
        self.sinks = sinks
        self.broker = room.broker
        self.postgresql = postgresql
        self._room = room
        self._directory = directory
        self._founding_file = founding_file
        self._settings = dict(settings or {})
        ports = free_ports(2 * len(SERVICES))
        self._web_ports = dict(zip(SERVICES, ports[: len(SERVICES)], strict=True))
        self._worker_ports = dict(zip(SERVICES, ports[len(SERVICES) :], strict=True))
        self._databases = {service: f"{service}_{room.name.replace('-', '_')}" for service in SERVICES}
        self._webs: dict[str, Process] = {}
        self._workers: dict[str, Process] = {}
        self._commands: list[subprocess.Popen[str]] = []

    @property
    def urls(self) -> Mapping[str, str]:
        """Each service's own web process."""
        return {service: f"http://{HOST}:{port}" for service, port in self._web_ports.items()}

    def __enter__(self) -> Self:
        try:
            self._found()
            for service in SERVICES:
                self.launch_web(service)
                self.launch_worker(service)
            for service in SERVICES:
                self.wait_until_ready(service)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    # ------------------------------------------------------------ processes
    def launch_web(self, service: str) -> Process:
        """Start the web process; does not wait."""
        command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
        command += ["--bind", f"{HOST}:{self._web_ports[service]}", "--workers", "1", "--threads", str(WEB_THREADS)]
        command += ["shared.web.wsgi:application()"]
        self._webs[service] = Process(f"{service}-web", command, self._environment(service), self._directory)
        return self._webs[service]

    def launch_worker(self, service: str, failpoint: str = "") -> Process:
        """Start the worker, with a failpoint armed where one is named; does not wait."""
        command = [sys.executable, "-m", "shared.runtime", service, "worker"]
        environment = self._environment(service)
        if failpoint:
            environment["LIANMENG_FAILPOINT"] = failpoint
        self._workers[service] = Process(f"{service}-worker", command, environment, self._directory, forked=True)
        return self._workers[service]

    def web(self, service: str) -> Process:
        """The web process that was started last."""
        return self._webs[service]

    def worker(self, service: str) -> Process:
        """The worker that was started last."""
        return self._workers[service]

    def wait_until_ready(self, service: str) -> None:
        """Web process and worker both answer that they are ready."""
        for port in (self._web_ports[service], self._worker_ports[service]):
            wait_until(
                lambda port=port: httpx.get(f"http://{HOST}:{port}/health/ready").status_code == 200,  # type: ignore[misc]
                f"{service} on port {port} being ready\n{self.logs()}",
                seconds=READY_SECONDS,
                every=0.1,
                ignoring=(httpx.HTTPError,),
            )

    def run(self, service: str, command: str, *arguments: str) -> str:
        """Run a console command to its end; returns what it printed."""
        started = self._start_command(service, command, *arguments)
        return _output_of(started, f"{service} {command}")

    def unsent(self, service: str) -> int:
        """How many events wait in the service's outbox."""
        [[count]] = self.query(service, "SELECT count(*) FROM outbox WHERE sent_at IS NULL")
        return int(count)

    def query(self, service: str, statement: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Look into a service's database past the service."""
        return self.postgresql.query(statement, params, database=self._databases[service])

    def logs(self) -> str:
        """The ends of all logs."""
        processes = [*self._webs.values(), *self._workers.values()]
        return "\n".join(f"--- {process.name}\n{process.log()}" for process in processes)

    # ------------------------------------------------------------ beginning and end
    def _found(self) -> None:
        for database in self._databases.values():
            self.postgresql.create_database(database)
        preparing = {service: self._start_command(service, "prepare") for service in SERVICES}
        for service, process in preparing.items():
            _output_of(process, f"{service} prepare")
        charter = self._start_command("meetings", "adopt-charter", str(CHARTER))
        founding = self._start_command(
            "membership", "found", str(self._founding_file), "--charter", str(CHARTER), "--demo-password", PASSWORD
        )
        _output_of(charter, "adopt-charter")
        _output_of(founding, "found")

    def _end(self) -> None:
        for command in self._commands:
            command.kill()  # those that ended do not mind
            command.communicate()
        processes = [*self._workers.values(), *self._webs.values()]
        for process in processes:
            process.terminate()
        for process in processes:
            process.stop()
        for database in self._databases.values():
            self.postgresql.drop_database(database)

    def _environment(self, service: str) -> dict[str, str]:
        mail = {}
        if self.sinks.mail is not None:
            mail = {"LIANMENG_SMTP_HOST": HOST, "LIANMENG_SMTP_PORT": str(self.sinks.mail.port)}
        return {
            **base_environment(),
            "LIANMENG_SERVICE": service,
            "LIANMENG_PROFILE": "test",
            "LIANMENG_LOG_LEVEL": "WARNING",
            "LIANMENG_DATABASE_URL": self.postgresql.url(self._databases[service]),
            "LIANMENG_BROKER_URL": self._room.url,
            "LIANMENG_WORKER_PORT": str(self._worker_ports[service]),
            "LIANMENG_SMTP_STARTTLS": "false",
            "LIANMENG_WEBHOOKS_ALLOW_PRIVATE": "true",
            **mail,
            **self._settings,
        }

    def _start_command(self, service: str, command: str, *arguments: str) -> subprocess.Popen[str]:
        started = subprocess.Popen(
            [sys.executable, "-m", "shared.runtime", service, command, *arguments],
            cwd=ROOT,
            env=self._environment(service),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._commands.append(started)
        return started


def _output_of(process: subprocess.Popen[str], what: str) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, f"{what} ended with {process.returncode}:\n{output}"
    return output
