"""A process that is started again whenever it dies, as compose's restart policy does. Nobody else restarts anything."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.deployment.forking import Forked
from tests.deployment.process import LOG_TAIL, ROOT, STOP_SECONDS
from tests.waiting import wait_until

#: Wait before a dead process is started again, in seconds; doubled while it keeps dying, as the Docker engine does.
RESTART_SECONDS = 0.1
RESTART_SECONDS_MAX = 2.0


class Gone(Exception):
    """The process died, or did not answer: what became of the request is unknown."""


class Supervised:
    """One process over all its lives. Its output goes to `<directory>/<name>.log`.

    `piped`: it is talked to. Any other is a module of ours, forked with its imports done already.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], directory: Path, *, piped: bool = False
    ) -> None:
        self.name = name
        self.log_file = directory / f"{name}.log"
        self._command = list(command)
        self._environment = dict(environment)
        self._piped = piped
        self._child: subprocess.Popen[bytes] | Forked | None = None
        self._failpoints: list[str] = []
        self._stopping = threading.Event()
        self._paused = threading.Event()
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._watch, name=f"supervisor-{name}")
        #: How each life ended: an exit status, or a negative signal.
        self.deaths: list[int] = []
        self.lives = 0

    # ------------------------------------------------------------ for the rig
    def start(self) -> None:
        """Begin the first life and the watch."""
        self._launch()
        self._thread.start()

    def close(self) -> None:
        """End the watch and the process, orderly where it still listens."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        child = self._child
        if child is None:
            return
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        self._close_pipes(child)

    # ------------------------------------------------------------ what tests do to it
    def kill(self) -> None:
        """SIGKILL; the supervisor starts it again."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM; it ends in good order, and the supervisor starts it again, as in a rolling restart."""
        self._signal(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: it lives and does nothing. Undone by `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def arm(self, *failpoints: str) -> None:
        """Restart it now, with the first failpoint armed; each later life gets the next one, then none."""
        with self._lock:
            self._failpoints = list(failpoints)
        before = self.lives
        self.terminate()
        wait_until(lambda: self.lives > before, f"{self.name} to be started again, armed", seconds=STOP_SECONDS)

    def wait_for_deaths(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many lives have ended since the beginning."""
        wait_until(lambda: len(self.deaths) >= count, f"{count} deaths of {self.name}\n{self.log()}", seconds=seconds)

    @contextlib.contextmanager
    def kept_down(self, number: signal.Signals = signal.SIGKILL) -> Iterator[None]:
        """Ended by the signal, and not started again before the end of the block."""
        self._paused.set()
        try:
            before = len(self.deaths)
            self._signal(number)
            self.wait_for_deaths(before + 1)
            yield
        finally:
            self._paused.clear()

    def log(self) -> str:
        """The end of what it wrote over all its lives."""
        return self.log_file.read_text(errors="replace")[-LOG_TAIL:]

    # ------------------------------------------------------------ talking to it
    def ask(self, line: str, seconds: float) -> str:
        """One line in, one line out. Raises Gone when the answer does not come; what was asked may have been done."""
        child = self._child
        if child is None or child.poll() is not None or self._paused.is_set():
            raise Gone(f"{self.name} does not run")
        assert isinstance(child, subprocess.Popen), f"{self.name} is not talked to"
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(f"{line}\n".encode())
            child.stdin.flush()
            answer = _line_from(child.stdout, seconds)
        except (OSError, ValueError) as error:
            raise Gone(f"{self.name}: {error!r}") from error
        if not answer.endswith(b"\n"):
            # Late rather than dead, perhaps: an answer to this must not be taken for one to the next line.
            child.kill()
            raise Gone(f"{self.name} gave no answer")
        return answer.decode().strip()

    # ------------------------------------------------------------ inside
    def _launch(self) -> None:
        with self._lock:
            environment = dict(self._environment)
            if self._failpoints:
                environment["LIANMENG_FAILPOINT"] = self._failpoints.pop(0)
            if self._piped:
                self._child = self._with_pipes(environment)
            else:
                self._child = Forked(self._command, environment, self.log_file, ROOT)
            self.lives += 1

    def _with_pipes(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                start_new_session=True,
            )

    def _watch(self) -> None:
        wait = RESTART_SECONDS
        while not self._stopping.is_set():
            child = self._child
            assert child is not None
            try:
                status = child.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            self.deaths.append(status)
            self._close_pipes(child)
            self._stopping.wait(wait)
            wait = RESTART_SECONDS if status in (0, -signal.SIGKILL) else min(wait * 2, RESTART_SECONDS_MAX)
            while self._paused.is_set() and not self._stopping.is_set():
                self._stopping.wait(0.02)
            if not self._stopping.is_set():
                self._launch()

    def _signal(self, number: signal.Signals) -> None:
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)

    def _close_pipes(self, child: subprocess.Popen[bytes] | Forked) -> None:
        if isinstance(child, Forked):
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _line_from(pipe: IO[bytes], seconds: float) -> bytes:
    """What came up to the end of a line, of the stream, or of the patience."""
    got = b""
    while not got.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], seconds)
        chunk = os.read(pipe.fileno(), 4096) if ready else b""
        if not chunk:
            break
        got += chunk
    return got
