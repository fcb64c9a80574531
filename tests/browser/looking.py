"""Looks at a page that a browser shows: is anything cut, garbled, unreadable for some, or heavier than promised?

It returns what is wrong as lines, and changes nothing. What a page must say is the tests' own business.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SCRIPT = (Path(__file__).parent / "looking.js").read_text("utf-8")
#: Every page with its own resources, in bytes: a second on a weak connection in the hills.
BYTES_MAX = 100_000
#: What UTF-8 looks like where it was read as something else, and characters that stand for what could not be shown.
GARBLED = ("\ufffd", "\u25a1", "Ã", "â€", "é…", "æˆ", "ï¼", "锟斤拷")
#: What templates and scripts show where they had nothing to show, or something that is no text.
LEAKED = re.compile(
    r"\{\{|\}\}|\{%|\{[a-z_]+\}|\[object |<built-in|^(None|null|undefined|NaN|True|False)$", re.MULTILINE
)
KEY = re.compile(r"\b[a-z][a-z_]*(?:\.[a-z][a-z_]*)+\b")
#: Names of files look like keys.
FILE_ENDINGS = {"yaml", "toml", "csv"}
#: WCAG 2.2 AA and what it contains.
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: axe leaves this one out unless it is asked for by name.
AXE_OPTIONS = {
    "runOnly": {"type": "tag", "values": STANDARDS},
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}


def faults_of_page(page: Page, axe_script: str, language: str, prefixes: Collection[str]) -> Iterator[str]:
    """Everything that is wrong with the page at hand. `prefixes`: how the keys of the catalogues begin.

    Without `axe_script` nobody asks axe, which waits for ever where scripts are off.
    """
    seen = page.evaluate(SCRIPT)
    yield from seen["faults"]
    if seen["language"] != language:
        yield f"says it is in {seen['language']}, not in {language}"
    if seen["bytes"] > BYTES_MAX:
        yield f"weighs {seen['bytes']} bytes"
    yield from faults_of_text(seen["text"], seen["codes"], prefixes)
    if not axe_script:
        return
    page.evaluate(axe_script)
    found = page.evaluate("options => axe.run(document, options)", AXE_OPTIONS)
    yield from (line for violation in found["violations"] for line in _lines_of(violation))


def faults_of_text(text: str, codes: str, prefixes: Collection[str]) -> Iterator[str]:
    """What nobody should read. `codes`: what the page shows as code, or as people have written it."""
    yield from (f"garbled: {_around(text, text.index(each))}" for each in GARBLED if each in text)
    yield from (f"leaked: {_around(text, each.start())}" for each in LEAKED.finditer(text))
    for key in sorted({*KEY.findall(text)} - {*KEY.findall(codes)}):
        if key.partition(".")[0] in prefixes and key.rpartition(".")[2] not in FILE_ENDINGS:
            yield f"a key instead of its text: {key}"


def _around(text: str, at: int) -> str:
    return " ".join(text[max(0, at - 20) : at + 20].split())


def _lines_of(violation: dict[str, Any]) -> Iterator[str]:
    if violation["impact"] in ("serious", "critical"):
        for node in violation["nodes"]:
            why = " ".join(node["failureSummary"].split())
            yield f"axe {violation['impact']} {violation['id']}: {' '.join(node['target'])}: {why}"
