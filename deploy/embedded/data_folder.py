"""The folder an embedded alliance lives in, held by one process at a time.

Two processes on the same SQLite files would both relay and both run the timers. The lock is the kernel's: it goes
with the process, however that ends, and never has to be cleaned up by hand.
"""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.errors import Conflict

LOCK = "lock"
#: Present in folders that the demo made. Only these are ever emptied.
DEMO_MARK = "made-by-the-demo"


class DataFolder:
    """An exclusive hold on a folder for the length of a `with` block. Conflict when another process has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handle = (path / LOCK).open("a")
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._handle.close()
            raise Conflict("embedded.folder_in_use", folder=str(path)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._handle.close()

    def database_url(self, service: str) -> str:
        """Where one service keeps its rows."""
        return f"sqlite:///{(self.path / f'{service}.sqlite').resolve()}"

    def start_anew_for_demo(self) -> None:
        """Empty the folder for another demo. Conflict when it holds something the demo has not made."""
        others = [each for each in self.path.iterdir() if each.name != LOCK]
        if others and not (self.path / DEMO_MARK).exists():
            raise Conflict("embedded.not_a_demo_folder", folder=str(self.path))
        for each in others:
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink()
        (self.path / DEMO_MARK).write_text("This folder is emptied whenever the demo starts.\n", "utf-8")
