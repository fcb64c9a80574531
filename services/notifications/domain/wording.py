"""An event in words: a title from the catalogue, filled with the event's data.

A type the catalogue does not know, from a service newer than this one, still has its name as title.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Protocol

#: Longest title, in characters; also what a mail's subject holds.
TITLE_CHARACTERS_MAX = 200
#: Placeholders that the titles use; one that an event lacks becomes a dash.
PLACEHOLDERS = (
    "attempts",
    "balance_yuan",
    "body",
    "channel",
    "code",
    "event_type",
    "matter_title",
    "members",
    "name",
    "no",
    "number",
    "office",
    "on",
    "outcome",
    "reason",
    "roll_size",
    "stage",
    "state",
    "total_yuan",
    "unit_name",
    "version",
    "yes",
)
#: Fields that hold one of the contract's words rather than somebody's text; these are translated.
WORD_FIELDS = frozenset({"body", "channel", "office", "outcome", "reason", "stage", "state"})
_ARTICLE = re.compile(r"(\d+)(?:\((\d+)\))?")


class Catalogue(Protocol):
    """Texts by code and language."""

    def has(self, code: str) -> bool: ...

    def render(self, code: str, language: str = ..., /, **params: object) -> str: ...


def title_of(texts: Catalogue, language: str, event_type: str, data: Mapping[str, Any]) -> str:
    """One line about the event, free of line ends and control characters."""
    code = f"event.{event_type}"
    if not texts.has(code):
        return event_type
    params = {**dict.fromkeys(PLACEHOLDERS, "—"), **_params(texts, language, data)}
    return one_line(texts.render(code, language, **params))


def article_label(texts: Catalogue, language: str, article: str | None) -> str:
    """`6(2)` as people cite it; empty where no article governs."""
    match = _ARTICLE.fullmatch(article or "")
    if match is None:
        return article or ""
    if match[2] is None:
        return texts.render("article.whole", language, number=match[1])
    return texts.render("article.item", language, number=match[1], item=match[2])


def one_line(text: str) -> str:
    """The text as one clean line: no line ends, no control characters, no marks that turn the reading direction."""
    clean = "".join(" " if unicodedata.category(each) in {"Cc", "Cf", "Zl", "Zp", "Cs"} else each for each in text)
    return " ".join(clean.split())[:TITLE_CHARACTERS_MAX]


def yuan(fen: int) -> str:
    """`-1.05` for -105 fen: the sign first, then the amount."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _params(texts: Catalogue, language: str, data: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The event's plain values by name, one level of nesting joined by an underscore, known words in the language."""
    params: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            local = value.get(language)
            if isinstance(local, str):
                params[prefix + name] = local
            elif not prefix:
                params |= _params(texts, language, value, f"{name}_")
        elif isinstance(value, str):
            word = f"word.{value}"
            known = name in WORD_FIELDS and texts.has(word)
            params[prefix + name] = texts.render(word, language) if known else value
        elif type(value) is int:
            params[prefix + name] = str(value)
            if name.endswith("_fen"):
                params[prefix + name.removesuffix("_fen") + "_yuan"] = yuan(value)
    return params
