"""The import contracts of pyproject.toml hold, and each of them really catches its trespass.

Must not restate them: they are written once, where import-linter reads them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import PRODUCT, ROOT

LINTER = Path(sys.executable).with_name("lint-imports")


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on a tree, without its cache."""
    return subprocess.run(
        [str(LINTER), "--no-cache"], cwd=root, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The product, to be spoiled."""
    for folder in PRODUCT:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold() -> None:
    outcome = lint(ROOT)

    assert outcome.returncode == 0, outcome.stdout[-4000:]
    assert "0 broken" in outcome.stdout


def test_every_contract_catches_its_trespass(copy: Path) -> None:
    # given one trespass against each contract
    trespasses = {
        "services/meetings/service.py": "import services.finance.service",
        "services/finance/tables.py": "import services.finance.service",
        "shared/errors.py": "import deploy.embedded",
        "shared/persistence/columns.py": "import shared.web.app_factory",
        "services/membership/domain/__init__.py": "import sqlalchemy",
        "services/notifications/service.py": "import pika",
        "services/console/wording.py": "import services.console.pages",
        "services/console/apis.py": "import shared.security.tokens",
    }
    for name, line in trespasses.items():
        path = copy / name
        path.write_text(f"{path.read_text('utf-8')}\n{line}\n", "utf-8")

    # when the linter runs
    outcome = lint(copy)

    # then all of them are broken
    assert outcome.returncode == 1
    assert outcome.stdout.count(" BROKEN") == len(trespasses), outcome.stdout[-4000:]
    assert "Contracts: 0 kept" in outcome.stdout
