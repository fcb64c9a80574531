"""A golden sample, once committed, is never changed and never removed: events like it lie in archives and queues.

`golden.sha256` beside the folder has a line per sample, as `sha256sum` writes it, and only grows.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.contracts.samples import FOLDER

DIGESTS = FOLDER.parent / "golden.sha256"
TO_ADD = "a new sample: (cd tests/contracts/golden && sha256sum {name}) >> tests/contracts/golden.sha256"
CHANGED = (
    "{name} is no longer what was committed. Put it back. If a publisher says something new, add a variant beside it "
    "(<type>.v<major>.<what is new>.json); if it means something new, that is a new major"
)
REMOVED = "{name} is gone. Put it back, also when nobody publishes the type any more: old events stay readable"


def digests(text: str) -> dict[str, str]:
    """Digest by file name."""
    pairs = (line.split("  ", 1) for line in text.splitlines())
    return {name: digest for digest, name in pairs}


def faults(folder: Path, kept: Mapping[str, str]) -> list[str]:
    """What is wrong, and what to do about it, one line each."""
    there = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    said = {
        CHANGED: [name for name in there if name in kept and kept[name] != there[name]],
        REMOVED: [name for name in kept if name not in there],
        TO_ADD: [name for name in there if name not in kept],
    }
    return [what.format(name=name) for what, names in said.items() for name in sorted(names)]


def test_every_sample_is_as_it_was_committed() -> None:
    kept = digests(DIGESTS.read_text("utf-8"))

    assert kept
    assert faults(FOLDER, kept) == []


def test_no_line_was_ever_taken_out_of_the_list() -> None:
    """Whoever changes a sample and its line together is found here, by the history, where there is one."""
    root = FOLDER.parents[2]
    if not shutil.which("git") or not (root / ".git").exists():
        pytest.skip("no history here: a copy without .git")
    command = ["git", "log", "--format=", "--patch", "HEAD", "--", str(DIGESTS.relative_to(root))]

    history = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60).stdout

    taken_out = [line for line in history.splitlines() if line.startswith("-") and not line.startswith("--- ")]
    assert taken_out == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "a.b.c.v1.json").write_text("{}"), "is no longer what was committed"),
        (lambda folder: (folder / "a.b.c.v1.json").unlink(), "is gone"),
        (lambda folder: (folder / "a.b.d.v1.json").write_text("{}"), "a new sample"),
        (lambda _folder: None, None),
    ],
    ids=["changed", "removed", "added", "untouched"],
)
def test_a_change_is_found_and_told_what_to_do_about(tmp_path: Path, spoil, said: str | None) -> None:
    (tmp_path / "a.b.c.v1.json").write_text('{"a": 1}')
    kept = {"a.b.c.v1.json": hashlib.sha256(b'{"a": 1}').hexdigest()}

    spoil(tmp_path)

    found = faults(tmp_path, kept)
    assert len(found) == (1 if said else 0)
    assert all(said in each for each in found if said)
