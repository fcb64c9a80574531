"""Puts one bug into a copy of the tree and runs the tests that must notice.

A bug is killed when every one of its tests passes on the unchanged tree and fails with the bug, by an assertion or an
error of its own. A copy that cannot be imported proves nothing and counts as a fault of the entry.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.catalogue.bugs import Bug

ROOT = Path(__file__).parents[2]
#: What a copy does without: nothing of it is read by a test that is named in the catalogue.
LEFT_OUT = (".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis", "htmlcov", ".coverage*", ".env")
#: How long one test may take, in seconds: some bugs make it wait for what never comes.
TEST_SECONDS = 60
#: How long all tests of one bug may take, in seconds, servers included.
RUN_SECONDS = 240
#: Plugins that no test of a bug needs, each some tenths of a second for every one of them to load.
UNNEEDED = ("cacheprovider", "anyio", "pytest_cov", "xdist", "xdist.looponfail", "unraisableexception")
#: How long all tests of the catalogue may take without any bug, beside those of some bugs, in seconds.
SOUND_SECONDS = 600
PASSED, SKIPPED = "passed", "skipped"
#: Errors that say that the bug was not a bug but nonsense.
NONSENSE = ("ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError", "NameError", "collection failure")


@dataclass(frozen=True)
class Outcome:
    """What became of one test: `passed`, `skipped`, or what it failed with, in one line."""

    test: str
    said: str

    @property
    def failed(self) -> bool:
        """Whether it noticed something."""
        return self.said not in (PASSED, SKIPPED)


@dataclass(frozen=True)
class Verdict:
    """What the named tests said of one bug."""

    bug: Bug
    killed: bool
    said: str
    seconds: float


class Copy:
    """A copy of the tree in a scratch folder."""

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self.root = folder / "tree"
        shutil.copytree(root, self.root, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)

    def judge(self, bug: Bug) -> Verdict:
        """Apply the bug, run its tests, take it back."""
        file = self.root / bug.file
        sound = file.read_text("utf-8")
        assert sound.count(bug.old) == 1, f"{bug.name}: the old text must be there once"
        started = time.monotonic()
        try:
            self._write(file, sound.replace(bug.old, bug.new))
            outcomes = self.run(bug.killed_by)
        finally:
            self._write(file, sound)
        return Verdict(bug, *verdict(bug, outcomes), time.monotonic() - started)

    def run(self, tests: Sequence[str], seconds: float = RUN_SECONDS) -> list[Outcome]:
        """Run these tests; an outcome for each test that ran, its parameters told apart. After `seconds` it is ended."""
        report = self.root.parent / "report.xml"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", f"--timeout={TEST_SECONDS}"]
        command += [part for name in UNNEEDED for part in ("-p", f"no:{name}")]
        command += [f"--junitxml={report}", "-o", "junit_family=xunit1", *tests]
        environment = {**os.environ, "TESTCONTAINERS_RYUK_DISABLED": "true"}
        environment.pop("CI", None)
        # Most of a run is imports: what one has compiled in this copy, the next one reads.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # pytest cleans up on the first interrupt; only then it is ended for good.
            process.terminate()
            output, _ = process.communicate(timeout=30)
        return read_report(report) if report.exists() else [Outcome(test, _last_line(output)) for test in tests]

    def _write(self, file: Path, text: str) -> None:
        file.write_text(text, "utf-8")
        # Bytecode is told from its source by second and size; both may be the same before and after.
        for stale in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            stale.unlink()


def read_report(file: Path) -> list[Outcome]:
    """The outcomes in a JUnit report."""
    outcomes = []
    for case in ET.parse(file).getroot().iter("testcase"):
        name = f"{case.get('file', '')}::{case.get('name', '')}"
        trouble = next((each for each in case if each.tag in ("failure", "error")), None)
        if trouble is not None:
            outcomes.append(Outcome(name, _first_line(trouble)))
        else:
            outcomes.append(Outcome(name, SKIPPED if case.find("skipped") is not None else PASSED))
    return outcomes


def verdict(bug: Bug, outcomes: Sequence[Outcome]) -> tuple[bool, str]:
    """Whether every named test noticed, and what the first one said."""
    for test in bug.killed_by:
        ran = [outcome for outcome in outcomes if is_of(outcome.test, test)]
        nonsense = [outcome for outcome in outcomes if outcome.failed and outcome.said.startswith(NONSENSE)]
        if nonsense or not ran:
            return False, f"proves nothing: {(nonsense or outcomes or [Outcome('', 'no test ran')])[0].said}"
        if not any(outcome.failed for outcome in ran):
            return False, f"SURVIVED {test}"
    return True, next(outcome.said for outcome in outcomes if outcome.failed)


def is_of(ran: str, named: str) -> bool:
    """Whether an outcome belongs to a named test, which may stand for all its parameters."""
    return ran == named or ran.startswith(f"{named}[")


def _first_line(trouble: ET.Element) -> str:
    said = (trouble.get("message") or trouble.text or "failed").strip().splitlines()
    return said[0][:200] if said else "failed"


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return f"no report: {lines[-1][:160] if lines else 'no output'}"
