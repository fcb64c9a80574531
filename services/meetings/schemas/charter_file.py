"""A charter's file as text: from TOML to a mapping, and from the path of a fault back to its line. Judges nothing."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from shared.errors import Fault, Invalid

#: A charter takes some kilobytes; a wrong file picked by mistake may take any number.
FILE_CHARACTERS_MAX = 300_000
#: Where the TOML reader stopped; it tells so in words only.
_STOPPED_AT = re.compile(r"at line ([0-9]+)")
_LIST_HEADER = re.compile(r"\s*\[\[\s*([A-Za-z0-9_.-]+)\s*\]\]")
_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_.-]+)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=")


def read_charter_text(text: str) -> Mapping[str, Any]:
    """The charter as a mapping. Raises Invalid with the line where the TOML reader stopped."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        stopped = _STOPPED_AT.search(str(error))
        # Without a line it is the end: something was opened and never closed.
        line = int(stopped[1]) if stopped else text.count("\n") + 1
        raise Invalid.of([Fault("charter.not_toml", "charter", {"line": line})]) from error
    except RecursionError as error:
        raise Invalid.of([Fault("charter.not_toml", "charter", {"line": 1})]) from error


def line_of(text: str, path: str) -> int | None:
    """The line on which a path such as `counties[2].name` stands; of what is missing, the line of what lacks it."""
    lines = _lines_by_path(text)
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path)


def _lines_by_path(text: str) -> dict[str, int]:
    """Headers and keys with their lines, read line by line: what stands inside a line has that line."""
    found: dict[str, int] = {}
    lists: Counter[str] = Counter()
    here = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _LIST_HEADER.match(line):
            name = header[1]
            here = f"{name}[{lists[name]}]"
            lists[name] += 1
            found.setdefault(name, number)
        elif header := _HEADER.match(line):
            here = _inside_list(header[1], lists)
        elif key := _KEY.match(line):
            found.setdefault(f"{here}.{key[1]}" if here else key[1], number)
            continue
        else:
            continue
        found.setdefault(here, number)
    return found


def _inside_list(name: str, lists: Counter[str]) -> str:
    """A table below a list belongs to the list's latest entry."""
    for listed, count in lists.items():
        if name.startswith(f"{listed}."):
            return f"{listed}[{count - 1}]{name[len(listed) :]}"
    return name
