"""Tells a story in the terminal, a line per step: which service, under which article, after how many ms, what happened.

Chinese characters are two columns wide, so columns are padded by width, not by length. Colours only on a terminal.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TextIO

from shared.runtime.citing import article_label
from shared.runtime.texts import Texts

_RESET, _BOLD, _DIM, _GREEN, _RED = "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m"
#: One colour per service, readable on dark and light backgrounds.
_SERVICE_COLOURS = {
    "membership": "\x1b[34m",
    "meetings": "\x1b[35m",
    "finance": "\x1b[33m",
    "notifications": "\x1b[36m",
}
SERVICE_COLUMNS = 13
ARTICLE_COLUMNS = 14


@dataclass(frozen=True)
class Step:
    """One thing that happened, and how long it took from its cause to its effect being visible."""

    code: str
    service: str
    article: str
    elapsed_ms: float
    params: dict[str, object]
    #: Lines told below it.
    details: tuple[str, ...] = ()


class Teller:
    """Speaks one language to one stream."""

    def __init__(self, texts: Texts, language: str, stream: TextIO) -> None:
        self._texts = texts
        self._language = language
        self._stream = stream
        self._colours = stream.isatty()
        self._count = 0

    def say(self, code: str, **params: object) -> str:
        """The text of a code in the story's language."""
        return self._texts.render(code, self._language, **params)

    def article(self, article: str | None) -> str:
        """An article as people cite it."""
        return article_label(self._texts, self._language, article)

    def headline(self, text: str) -> None:
        """A title with a rule below it."""
        self._line("")
        self._line(self._painted(_BOLD, text))
        self._line(self._painted(_DIM, "─" * min(columns(text) + 4, 100)))

    def step(self, step: Step) -> None:
        """One numbered line, its details below."""
        self._count += 1
        article = self.article(step.article)
        service = self.say(f"service.{step.service}")
        self._line(
            f"{self._count:>3}  {self._painted(_GREEN, '✓')} "
            f"{self._painted(_SERVICE_COLOURS[step.service], padded(service, SERVICE_COLUMNS))} "
            f"{self._painted(_DIM, padded(article, ARTICLE_COLUMNS))} "
            f"{self._painted(_DIM, f'{step.elapsed_ms:7.0f} ms')}  {self.say(step.code, **step.params)}"
        )
        for detail in step.details:
            self._line(" " * (SERVICE_COLUMNS + ARTICLE_COLUMNS + 21) + self._painted(_DIM, f"· {detail}"))

    def row(self, *cells: tuple[str, int]) -> None:
        """A line of a table: each cell with its width in columns."""
        self._line("  " + "  ".join(padded(text, width) for text, width in cells).rstrip())

    def plain(self, code: str, **params: object) -> None:
        """A line of text."""
        self._line("  " + self.say(code, **params))

    def failure(self, text: str) -> None:
        """What went wrong."""
        self._line(self._painted(_RED, f"  ✗  {text}"))

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def _painted(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colours else text


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def padded(text: str, width: int) -> str:
    """The text filled up to `width` columns."""
    return text + " " * max(width - columns(text), 0)
