"""Imports modules one by one in a fresh interpreter and tells what they do besides: run as a script by the test.

    python -B importing.py MODULE…      one JSON line per side effect: {"module": …, "event": …, "about": …}

The interpreter's own audit events are the witness, so nothing can slip past by another way to the same system call.
Threads are no audit event in every version: their start is wrapped before anybody can take hold of it.
It must import nothing of the project by itself.
"""

import _thread
import importlib
import json
import os
import sys

#: What no import may do: talk, start, write. See the table of audit events in Python's documentation.
EVENTS = {
    "socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.fork",
    "os.posix_spawn", "sqlite3.connect", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.putenv", "os.unsetenv",
    "signal.signal", "shutil.rmtree", "smtplib.connect", "thread",
}  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


def main(names: list[str]) -> None:
    """Import `names` in order under watch."""
    importing = [""]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if not importing[0]:
            return
        opens_to_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if event in EVENTS or opens_to_write:
            name, importing[0] = importing[0], ""  # no report about our own reporting
            print(json.dumps({"module": name, "event": event, "about": repr(arguments)[:200]}), flush=True)
            importing[0] = name

    for starter in ("start_new_thread", "start_joinable_thread"):
        start = getattr(_thread, starter, None)
        if start is not None:
            setattr(_thread, starter, _told(start, watch))
    assert "threading" not in sys.modules, "threading has the unwrapped start already"
    sys.addaudithook(watch)
    for name in names:
        importing[0] = name
        importlib.import_module(name)
        importing[0] = ""
    print(json.dumps({"imported": len(names)}))


def _told(start, watch):
    def starting(*arguments, **options):
        watch("thread", arguments)
        return start(*arguments, **options)

    return starting


if __name__ == "__main__":
    main(sys.argv[1:])
