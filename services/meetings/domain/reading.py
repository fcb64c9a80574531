"""Reads values out of nested mappings, collecting what is wrong instead of stopping at it.

Knows types, ranges and names, no charter: `charter.py` says which values there must be. Whoever has read everything
asks `faults`; values read after a fault are placeholders and must be thrown away.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from shared.errors import Fault

#: Languages that every name must be given in.
LANGUAGES = ("zh-CN", "en")
#: Longest name or text, in characters; a line of print.
TEXT_LENGTH_MAX = 200
#: Codes are stored, sent and used in addresses.
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: An article, with its paragraph in brackets: `6` or `6(3)`.
_ARTICLE = re.compile(r"[1-9][0-9]{0,2}(\([1-9][0-9]?\))?")


class Table:
    """One table at a path. Every read value counts as known; `close` reports the keys that nobody read."""

    def __init__(self, path: str, values: object, faults: list[Fault]) -> None:
        self.path = path
        self.faults = faults
        self._values: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
        self._known: set[str] = set()
        self.is_table = isinstance(values, Mapping)
        if not self.is_table:
            self.fault("wrong_type", expected="table")

    def fault(self, code: str, key: str | None = None, **params: str | int) -> None:
        """Report a fault of this table, or of one of its keys."""
        self.faults.append(Fault(f"charter.{code}", self.at(key), params))

    def at(self, key: str | None) -> str:
        """The path of a key, from the top of the file."""
        return self.path if key is None else f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Whether the table has the key at all."""
        return key in self._values

    def entries(self) -> tuple[str, ...]:
        """The keys of a table whose keys are names of things; all count as known."""
        self._known.update(str(key) for key in self._values)
        return tuple(str(key) for key in self._values)

    def text(self, key: str) -> str:
        """A line of text."""
        value = self._value(key, str, "text")
        if value is None:
            return ""
        if not value.strip() or len(value) > TEXT_LENGTH_MAX or any(unicodedata.category(c) in "CcCs" for c in value):
            self.fault("malformed_text", key, maximum=TEXT_LENGTH_MAX)
        return str(value)

    def code(self, key: str) -> str:
        """A name for programs."""
        value = self._value(key, str, "text")
        if value is not None and not _CODE.fullmatch(value):
            self.fault("malformed_code", key)
        return str(value)

    def article(self, key: str = "article") -> str:
        """The article that the table rests on."""
        value = self._value(key, str, "text")
        if value is not None and not _ARTICLE.fullmatch(value):
            self.fault("malformed_article", key)
        return str(value)

    def integer(self, key: str, minimum: int, maximum: int) -> int:
        """A whole number within bounds, both included."""
        value = self._value(key, int, "integer")
        if value is None:
            return minimum
        if not minimum <= value <= maximum:
            self.fault("out_of_range", key, minimum=minimum, maximum=maximum)
            return minimum
        return int(value)

    def flag(self, key: str) -> bool:
        """True or false."""
        return bool(self._value(key, bool, "flag"))

    def choice(self, key: str, options: Collection[str]) -> str:
        """One of several words."""
        value = self._value(key, str, "text")
        if value is not None and value not in options:
            self.fault("unknown_value", key, allowed=", ".join(options))
        return str(value)

    def names(self, key: str = "name") -> dict[str, str]:
        """A name in every language."""
        names = self.table(key)
        read = {language: names.text(language) for language in LANGUAGES}
        names.close()
        return read

    def table(self, key: str) -> Table:
        """A table below this one. A missing one is one fault, not one for each of its keys."""
        self._known.add(key)
        if key not in self._values:
            if self.is_table:
                self.fault("missing", key)
            return Table(self.at(key), {}, [])
        return Table(self.at(key), self._values[key], self.faults)

    def tables(self, key: str) -> Iterator[Table]:
        """The tables of a list, at paths like `counties[0]`. An empty list is a fault."""
        values = self._value(key, list, "list")
        if values is not None and not values:
            self.fault("missing", key)
        for index, value in enumerate(values or ()):
            yield Table(f"{self.at(key)}[{index}]", value, self.faults)

    def read_off(self, key: str) -> bool:
        """Whether a setting that may be switched off says so; else it is a table, to be read next."""
        self._known.add(key)
        return bool(self._values.get(key) == "off")

    def silent(self, points: Collection[str]) -> tuple[str, ...]:
        """On which of its settings the text is silent: `silent = true` (all of it), a list, or nothing at all."""
        self._known.add("silent")
        value = self._values.get("silent", [])
        if value is True:
            return ("*",)
        if not isinstance(value, list) or (self.has("silent") and not value):
            self.fault("wrong_type", "silent", expected="silence")
            return ()
        for index, point in enumerate(value):
            if not isinstance(point, str) or point not in points or point in value[:index]:
                self.fault("unknown_value", f"silent[{index}]", allowed=", ".join(points))
        return tuple(str(point) for point in value)

    def close(self) -> None:
        """Report every key that means nothing here."""
        for key in self._values:
            if key not in self._known:
                self.fault("unknown_key", str(key))

    def _value(self, key: str, kind: type, expected: str) -> Any:
        """The value, or None after a fault. `type` and not `isinstance`: True is no number here."""
        self._known.add(key)
        if key not in self._values:
            if self.is_table:
                self.fault("missing", key)
            return None
        value = self._values[key]
        if type(value) is not kind:
            self.fault("wrong_type", key, expected=expected)
            return None
        return value
