"""Importing a module changes nothing: no socket, thread, child process, file, signal handler or environment variable.

Must not look into modules: it watches an interpreter that imports them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import PRODUCT, ROOT, modules, write_tree

SCRIPT = Path(__file__).with_name("importing.py")


def module_names(root: Path) -> list[str]:
    """Everything importable of the product; `__main__` runs, and migrations are read by Alembic from files."""
    paths = [path.relative_to(root).with_suffix("") for path in modules(root, *PRODUCT)]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if "migrations" not in name and not name.endswith(("__main__", "gunicorn.conf"))]


def side_effects(root: Path, names: list[str]) -> list[dict[str, str]]:
    """What importing `names` does besides defining things, as told by a fresh interpreter with a bare environment."""
    outcome = subprocess.run(
        [sys.executable, "-B", str(SCRIPT), *names],
        cwd=root,
        env={"PYTHONPATH": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert outcome.returncode == 0, outcome.stderr[-4000:]
    *told, last = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert last == {"imported": len(names)}
    return told


def test_importing_the_house_does_nothing() -> None:
    names = module_names(ROOT)
    assert len(names) > 50, "the list of modules is suspiciously short"

    assert side_effects(ROOT, names) == []


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("import socket\nsocket.socket().bind(('127.0.0.1', 0))\n", "socket.bind"),
        ("import threading\nthreading.Thread(target=int).start()\n", "thread"),
        ("import sqlite3\nsqlite3.connect(':memory:')\n", "sqlite3.connect"),
        ("open('trace', 'w').close()\n", "open"),
        ("import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''], check=True)\n", "subprocess.Popen"),
        ("import os\nos.environ['A'] = 'b'\n", "os.putenv"),
    ],
)
def test_a_module_that_does_something_is_found(tmp_path: Path, code: str, event: str) -> None:
    write_tree(tmp_path, {"services/x/__init__.py": code})

    told = side_effects(tmp_path, module_names(tmp_path))

    assert told
    assert told[0]["module"] == "services.x"
    assert any(each["event"].startswith(event) for each in told)
