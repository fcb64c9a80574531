"""What the architecture tests share: the tree under test, and the guard against checking nothing.

A rule is a function of a root folder that returns its faults as lines. It runs on the project and on seeded trees.
No rule lives here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What runs in production. The tests are judged by rules of their own.
PRODUCT = ("services", "shared", "deploy")
SERVICES = ("membership", "meetings", "finance", "notifications")
#: A client of the four with pages instead of an API, and rooms of its own (docs/decisions/0012).
CONSOLE = "console"


class NothingToCheckError(AssertionError):
    """A rule met no file it could judge: it would pass for ever."""


def modules(root: Path, *folders: str) -> list[Path]:
    """Every Python file below the folders, sorted. Raises rather than return nothing."""
    found = sorted(
        path for folder in folders for path in (root / folder).rglob("*.py") if "__pycache__" not in path.parts
    )
    if not found:
        raise NothingToCheckError(f"no Python files below {', '.join(folders)} in {root}")
    return found


def parsed(root: Path, *folders: str) -> Iterator[tuple[str, ast.Module]]:
    """The files' paths as seen from the root, with their syntax trees."""
    for path in modules(root, *folders):
        yield path.relative_to(root).as_posix(), ast.parse(path.read_text("utf-8"), str(path))


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or an attribute chain; empty where it is anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else f"?.{node.attr}"
    return ""


def imports(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, wherever in the file."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def write_tree(root: Path, files: dict[str, str]) -> Path:
    """Make a small tree to prove a rule on; returns its root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root
