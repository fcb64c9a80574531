"""Documents that are made from code say what the code says. `make docs` writes them anew.

Must not compare by hand: the generator knows how to check itself.
"""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.tree import ROOT


def test_the_generated_documents_are_current() -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "shared.runtime.documents", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert outcome.returncode == 0, f"{outcome.stdout}{outcome.stderr}\nrun `make docs`"
