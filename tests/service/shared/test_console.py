"""Console commands on a database that is not as they need it: a sentence and a status, no stack trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of meetings in a process of its own, as an operator runs it."""
    settings = {"LIANMENG_PROFILE": "test", "LIANMENG_DATABASE_URL": f"sqlite:///{database}"}
    return subprocess.run(
        [sys.executable, "-m", "shared.runtime", "meetings", *arguments],
        cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_command_on_a_database_without_tables_says_what_to_do(tmp_path: Path) -> None:
    database = tmp_path / "new.sqlite"
    charter = ("adopt-charter", "deploy/charter/zhuzhou.toml")

    refused = run(database, *charter)
    assert refused.returncode == 1
    assert "migrate" in refused.stderr
    assert "Traceback" not in refused.stderr

    assert run(database, "migrate").returncode == 0
    assert run(database, *charter).returncode == 0
