"""A child process of a test: started with a log, killed or stopped, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.deployment.forking import Forked
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
#: Seconds in which a process must end after SIGTERM.
STOP_SECONDS = 30.0
#: Last characters of a log that a failure shows.
LOG_TAIL = 6_000


class Process:
    """One child. Its output goes to `<directory>/<name>.log`, over all its lives.

    `forked`: a module of ours that is started often, with its imports done already (see forking.py).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        forked: bool = False,
    ) -> None:
        self.name = name
        self.log_file = directory / f"{name}.log"
        self._child: subprocess.Popen[bytes] | Forked
        if forked:
            self._child = Forked(command, environment, self.log_file, ROOT)
            return
        with self.log_file.open("ab") as log:
            self._child = subprocess.Popen(
                list(command),
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that a kill reaches gunicorn's children too
            )

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs; negative: the signal that ended it."""
        return self._child.poll()

    def log(self) -> str:
        """What it has written, the end of it."""
        return self.log_file.read_text(errors="replace")[-LOG_TAIL:]

    def kill(self) -> None:
        """SIGKILL to it and all its children: no chance to clean up."""
        self._signal(signal.SIGKILL)
        self._child.wait()

    def terminate(self) -> None:
        """SIGTERM; does not wait."""
        if self.alive:
            self._child.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """SIGTERM and wait, as an orderly shutdown does; fails when it does not listen."""
        self.terminate()
        try:
            self._child.wait(timeout=STOP_SECONDS)
        finally:
            self._signal(signal.SIGKILL)
            self._child.wait()

    def wait_until_dead(self, seconds: float) -> int:
        """Wait for it to end by itself; returns its status."""
        wait_until(lambda: not self.alive, f"end of {self.name}\n{self.log()}", seconds=seconds)
        assert self.status is not None
        return self.status

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # gone already, with all its children
            os.killpg(self._child.pid, number)


def base_environment() -> dict[str, str]:
    """What children inherit: enough to find programs, nothing that configures Lianmeng."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
    inherited = {name: os.environ[name] for name in kept if name in os.environ}
    return {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "NO_PROXY": "*"}
