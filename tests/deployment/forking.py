"""Python processes that begin without their imports: forked from one process of this session that has done them.

A worker that is killed and started again sixty times otherwise spends a second of a core on importing each time, and that
is most of what such a test takes. What is started is as fresh as any process: it has an id, a session, an environment and
an end of its own, and `python -m` of its module is what it runs. Its parent is the forking process, not this one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from tests.waiting import wait_until

#: What the processes of a deployment and of the fault tests import; none of it begins anything by being imported.
IMPORTED = [
    "shared.runtime.commands",
    "shared.runtime.worker_http",
    "shared.web.feed_commands",
    "services.membership.service",
    "services.meetings.service",
    "services.finance.service",
    "services.notifications.service",
    __name__,
]
#: A fork takes milliseconds; a busy machine takes longer.
FORK_SECONDS = 30.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(IMPORTED)
#: multiprocessing looks after all its children whenever it starts one; a status can be read only once.
_lock = threading.Lock()


class Forked:
    """As much of `subprocess.Popen` as tests ask of a child, for `python -m MODULE ARGUMENTS` with its output in a log."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log_file: Path, folder: Path) -> None:
        python, dash_m, module, *arguments = command
        assert (python, dash_m) == (sys.executable, "-m"), f"not `python -m MODULE`: {command}"
        self._command = command
        log_file.touch()  # so that it can be read from the first moment on
        self._process = _context.Process(
            target=_run, args=(module, arguments, dict(environment), str(log_file), str(folder))
        )
        with _lock:
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        # From here on a signal to its group reaches it.
        wait_until(self._leads_its_group, f"{' '.join(command)} being on its own", seconds=FORK_SECONDS, every=0.001)

    def poll(self) -> int | None:
        """Exit status; None while it runs; negative: the signal that ended it."""
        with _lock:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended. Raises TimeoutExpired."""
        wait([self._process.sentinel], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(list(self._command), timeout or 0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send it to the process, if that still runs."""
        with _lock:
            if self._process.exitcode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _leads_its_group(self) -> bool:
        try:
            return os.getpgid(self.pid) == self.pid
        except ProcessLookupError:  # over already
            return True


def _run(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], log_file: str, folder: str
) -> None:  # pragma: no cover - another process
    os.setsid()
    with Path(log_file).open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr] # a file is behind it
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
