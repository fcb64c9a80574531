"""The charter as pages use it: the version in force, and the names of what it lists. Decides and keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from services.console.apis import Refused
from services.console.browser import apis
from services.console.showing import has_text, language, say
from services.console.wording import names_of


@dataclass(frozen=True)
class Names:
    """Kinds and counties by their code, in the language of the page; the code itself where the charter has no name."""

    kinds: Mapping[str, str]
    counties: Mapping[str, str]

    def kind(self, code: str) -> str:
        """The name of a kind of unit."""
        return self.kinds.get(code, code)

    def county(self, code: str) -> str:
        """The name of a county."""
        return self.counties.get(code, code)


def charter_in_force() -> Mapping[str, Any] | None:
    """What `meetings/v1/charter` answers; None while meetings is away, or where no charter has been adopted yet."""
    try:
        found: Mapping[str, Any] | None = apis().part("meetings", "charter")
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    return found


def charter_version(version: int) -> Mapping[str, Any]:
    """One version that is or was in force. Raises Refused, Away."""
    found: Mapping[str, Any] = apis().get("meetings", f"charter/versions/{version}")
    return found


def charter_versions() -> Sequence[Mapping[str, Any]]:
    """All versions so far, the newest first; none while meetings is away."""
    found = apis().part("meetings", "charter/versions")
    return found["items"] if found else ()


def names(charter: Mapping[str, Any] | None) -> Names:
    """The names of the charter's lists."""
    given = charter or {}
    return Names(
        kinds=names_of(given.get("member_kinds"), language()), counties=names_of(given.get("counties"), language())
    )


def word(group: str, code: str) -> str:
    """What a fixed code such as a role, an office or a body is called; the code where the catalogue has no word."""
    return say(f"{group}.{code}") if has_text(f"{group}.{code}") else code
