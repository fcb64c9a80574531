"""Links between our own pages lead somewhere.

Must not follow links into the world: nothing here talks to it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, NothingToCheckError, write_tree

LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def faults_of_links(root: Path) -> list[str]:
    """Relative links of Markdown pages to what is not there."""
    pages = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("services/*/README.md")]
    links = [(page, link) for page in pages for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    if not links:
        raise NothingToCheckError(f"no page below {root} links to another")
    return [f"{page.relative_to(root)}: {link}" for page, link in links if not (page.parent / link).exists()]


def test_every_link_leads_somewhere() -> None:
    assert faults_of_links(ROOT) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    write_tree(tmp_path, {"README.md": "[a](docs/a.md) [b](docs/b.md#x) [c](https://example.org)", "docs/a.md": ""})

    assert faults_of_links(tmp_path) == ["README.md: docs/b.md"]


def test_pages_without_links_fail(tmp_path: Path) -> None:
    with pytest.raises(NothingToCheckError):
        faults_of_links(write_tree(tmp_path, {"README.md": "nothing"}))
