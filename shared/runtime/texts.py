"""Text for people, by code and language.

A catalogue is a flat TOML file per language: `"application.not_found" = "No application has the id {id}."`.
Codes are stable names, not sentences, so a reworded text breaks nothing; there is nothing to compile.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

LANGUAGES = ("zh-CN", "en")
#: The alliance's working language.
DEFAULT_LANGUAGE = "zh-CN"


class Texts:
    """The catalogues of one service laid over the shared ones."""

    def __init__(self, catalogues: Mapping[str, Mapping[str, str]]) -> None:
        self._catalogues = catalogues

    @classmethod
    def load(cls, folders: Iterable[Path]) -> Texts:
        """Read `<language>.toml` of every folder; a later folder wins over an earlier one."""
        merged: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
        for folder in folders:
            for language in LANGUAGES:
                file = folder / f"{language}.toml"
                if file.exists():
                    merged[language].update(tomllib.loads(file.read_text("utf-8")))
        return cls(merged)

    def has(self, code: str) -> bool:
        """Whether the default language knows the code."""
        return code in self._catalogues[DEFAULT_LANGUAGE]

    def render(self, code: str, language: str = DEFAULT_LANGUAGE, /, **params: object) -> str:
        """The text of `code`, placeholders filled; the code itself where no catalogue has it."""
        template = self._catalogues.get(language, {}).get(code)
        if template is None:
            template = self._catalogues[DEFAULT_LANGUAGE].get(code)
        if template is None:
            return code
        try:
            return template.format_map(params)
        except (KeyError, IndexError, ValueError):
            # A text with a wrong placeholder must not turn a clear refusal into a server error.
            return template
