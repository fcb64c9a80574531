"""The embedded alliance as one child process with SQLite files in a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.deployment.addresses import PASSWORD, SERVICES, Sinks
from tests.deployment.process import ROOT, Process, base_environment
from tests.servers.ports import HOST, free_port
from tests.waiting import wait_until

CHARTER = ROOT / "deploy" / "charter" / "zhuzhou.toml"
READY_SECONDS = 60.0


class Embedded:
    """One alliance. A context manager: founded and serving inside the block."""

    def __init__(self, directory: Path, founding_file: Path, sinks: Sinks) -> None:
        self.how = "embedded, one process on SQLite"
        self.sinks = sinks
        self._directory = directory
        self._founding_file = founding_file
        self._port = free_port()
        self._process: Process | None = None

    @property
    def urls(self) -> Mapping[str, str]:
        """One address for every service."""
        return dict.fromkeys(SERVICES, f"http://{HOST}:{self._port}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.process.stop()

    @property
    def process(self) -> Process:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start serving the folder; the first start founds the alliance in it."""
        command = [sys.executable, "-m", "deploy.embedded", "serve", "--data", str(self._directory / "data")]
        command += ["--port", str(self._port), "--charter", str(CHARTER), "--found", str(self._founding_file)]
        command += ["--demo-password", PASSWORD]
        if self.sinks.mail is not None:
            command += ["--smtp", f"{HOST}:{self.sinks.mail.port}"]
        environment = {
            **base_environment(),
            "LIANMENG_PROFILE": "test",
            "LIANMENG_LOG_LEVEL": "WARNING",
            "LIANMENG_WEBHOOKS_ALLOW_PRIVATE": "true",
        }
        announced = self.logs().count('"ready": true') if self._process is not None else 0
        self._process = Process("embedded", command, environment, self._directory)

        def is_ready() -> bool:
            assert self.process.alive, f"the embedded alliance ended:\n{self.logs()}"
            return self.logs().count('"ready": true') > announced

        wait_until(is_ready, "the embedded alliance serving", seconds=READY_SECONDS, every=0.05)

    def logs(self) -> str:
        """The end of its log."""
        return self.process.log()
