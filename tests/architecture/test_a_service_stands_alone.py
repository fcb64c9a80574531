"""Copy shared/ and one service into an empty folder: it imports, migrates on SQLite, and answers /health.

Must not use anything of the project's own tree from the copy; the child processes run with a bare environment.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import CONSOLE, ROOT, SERVICES

ANSWER = """
import json
from shared.web.wsgi import application
answers = {}
client = application().test_client()
for path in ("/health", "/health/live", "/health/ready", "{page}"):
    answer = client.get(path)
    answers[path] = answer.status_code
print(json.dumps(answers))
"""


@pytest.fixture
def alone(tmp_path: Path, service: str) -> Path:
    """A folder with shared/ and the one service."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "shared", tmp_path / "shared", ignore=ignored)
    shutil.copytree(ROOT / "services" / service, tmp_path / "services" / service, ignore=ignored)
    shutil.copy(ROOT / "services" / "__init__.py", tmp_path / "services")
    return tmp_path


def run(folder: Path, service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder as the service's container would."""
    environment = {
        "LIANMENG_SERVICE": service,
        "LIANMENG_PROFILE": "test",
        "LIANMENG_DATABASE_URL": f"sqlite:///{folder / 'data' / service}.sqlite",
        "PYTHONPATH": str(folder),
        "PATH": "/usr/bin:/bin",
    }
    return subprocess.run(
        [sys.executable, "-B", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("service", [*SERVICES, CONSOLE])
def test_a_service_needs_only_shared(alone: Path, service: str) -> None:
    # given nothing but shared/ and the service
    assert sorted(path.name for path in (alone / "services").iterdir()) == sorted(["__init__.py", service])

    # when it migrates and is asked for its health
    page = "/static/style.css" if service == CONSOLE else f"/api/{service}/openapi.json"
    before = run(alone, service, "-c", ANSWER.replace("{page}", page))
    migrated = run(alone, service, "-m", "shared.runtime", service, "migrate")
    after = run(alone, service, "-c", ANSWER.replace("{page}", page))

    # then it is ready once its schema is there, not earlier
    assert migrated.returncode == 0, migrated.stderr[-4000:]
    assert before.returncode == after.returncode == 0, after.stderr[-4000:]
    assert json.loads(before.stdout.splitlines()[-1])["/health/ready"] == 503
    assert set(json.loads(after.stdout.splitlines()[-1]).values()) == {200}
