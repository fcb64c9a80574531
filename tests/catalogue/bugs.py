"""The catalogue as data: `bugs/*.toml`, one room of the code per file. Reading only; nothing is applied here."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "bugs"
#: The known ways to lose, repeat or reorder messages, by the numbers of the catalogue's headings (see pitfalls.toml).
PITFALLS = FOLDER.parent / "pitfalls.toml"


@dataclass(frozen=True)
class Bug:
    """One bug: in `file`, `old` becomes `new`. Each test in `killed_by` must notice."""

    name: str
    why: str
    file: str
    old: str
    new: str
    killed_by: tuple[str, ...]
    #: Number of the pitfall it brings back; None for a bug of our own kernel.
    pitfall: int | None = None


@dataclass(frozen=True)
class Pitfall:
    """A known way to go wrong. `absent` says why there is nothing here to break, where that is so."""

    number: int
    text: str
    absent: str | None = None


def read_bugs(folder: Path = FOLDER) -> list[Bug]:
    """Every bug of the catalogue."""
    tables = [table for file in sorted(folder.glob("*.toml")) for table in _tables(file, "bug")]
    return [Bug(**{**table, "killed_by": tuple(table["killed_by"])}) for table in tables]


def read_pitfalls(file: Path = PITFALLS) -> list[Pitfall]:
    """Every pitfall, by number."""
    return [Pitfall(**table) for table in _tables(file, "pitfall")]


def faults(bugs: Sequence[Bug], root: Path) -> list[str]:
    """Entries that no longer fit the tree: a text that is not there once, a test that is not there."""
    found = [f"{bug.name}: named twice" for bug in bugs if sum(other.name == bug.name for other in bugs) > 1]
    for bug in bugs:
        file = root / bug.file
        times = file.read_text("utf-8").count(bug.old) if file.is_file() else 0
        if times != 1:
            found.append(f"{bug.name}: its old text is {times} times in {bug.file}, must be there once")
        if bug.old == bug.new:
            found.append(f"{bug.name}: changes nothing")
        if not bug.killed_by:
            found.append(f"{bug.name}: names no test")
        found += [f"{bug.name}: there is no {test}" for test in bug.killed_by if not _exists(root, test)]
    return found


def _exists(root: Path, test: str) -> bool:
    file, _, name = test.partition("::")
    path = root / file
    return path.is_file() and f"def {name.partition('[')[0]}(" in path.read_text("utf-8")


def _tables(file: Path, name: str) -> list[dict[str, Any]]:
    tables: list[dict[str, Any]] = tomllib.loads(file.read_text("utf-8"))[name]
    return tables
