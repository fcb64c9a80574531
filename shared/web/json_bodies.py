r"""JSON as strictly as its grammar: one meaning per document, or a refusal that says where.

The standard library is lenient: it takes NaN, lets the last of two equal names win, and decodes `\ud800` to half a
character that no database stores. Each of these has been used to make two programs read one document differently.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from shared.errors import Fault, Invalid, Refusal

#: Deepest nesting of arrays and objects. Our forms need four levels.
DEPTH_MAX = 32
#: Faults of text named at most; a document full of them is told the first.
_TEXT_FAULTS_MAX = 20
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Malformed(Refusal):
    """The bytes are no request of the form this route takes; nothing was read into them."""


def parse_json(raw: bytes) -> Any:
    """The value of a JSON document. Raises Malformed for bad syntax, Invalid for text that cannot be stored."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("json.not_utf8", position=error.start) from error
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole
        )
    except json.JSONDecodeError as error:
        raise Malformed("json.malformed", line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise Malformed("json.too_deep", depth=DEPTH_MAX) from error
    faults = _inspect(value)
    if faults:
        raise Invalid.of(faults)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Malformed("json.duplicate_name", name=shown(name))
        found[name] = value
    return found


def _no_constant(name: str) -> float:
    raise Malformed("json.no_number", name=name)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Malformed("json.no_number", name=shown(text))
    return value


def _whole(text: str) -> int:
    # Above 2^63 no database column holds it; and converting thousands of digits is slow on purpose in Python.
    if len(text) > 20:
        raise Malformed("json.no_number", name=shown(text))
    return int(text)


def _inspect(value: Any) -> list[Fault]:
    """Walk without recursion: refuse depth, name text that holds NUL or half a character."""
    faults: list[Fault] = []
    waiting: list[tuple[Any, tuple[str, ...]]] = [(value, ())]
    while waiting and len(faults) < _TEXT_FAULTS_MAX:
        current, path = waiting.pop()
        if isinstance(current, str):
            if not current.isascii() or "\x00" in current:
                faults += _text_faults(current, path)
        elif isinstance(current, dict | list):
            if len(path) >= DEPTH_MAX:
                raise Malformed("json.too_deep", depth=DEPTH_MAX)
            waiting += _members(current, path)
    return faults


def _members(container: Any, path: tuple[str, ...]) -> list[tuple[Any, tuple[str, ...]]]:
    if isinstance(container, list):
        return [(each, (*path, str(index))) for index, each in enumerate(container)]
    # A bad name cannot be a known field; naming it like a bad value tells the caller what to mend.
    return [(name, (*path, name)) for name in container if not name.isascii() or "\x00" in name] + [
        (each, (*path, name)) for name, each in container.items()
    ]


def _text_faults(text: str, path: tuple[str, ...]) -> list[Fault]:
    if _UNSTORABLE.search(text) is None:
        return []
    return [Fault("text.unstorable", shown(".".join(path)))]


def shown(text: str, length: int = 100) -> str:
    """A stranger's text, fit to be repeated in an answer or a log line: short, whole characters, no controls."""
    short = text if len(text) <= length else text[:length] + "…"
    return "".join(each if each.isprintable() else "\ufffd" for each in short)
