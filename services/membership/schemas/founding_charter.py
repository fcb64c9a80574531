"""What a founding needs of a charter file: kinds, counties, seats, term, who puts whom forward.

Only these sections are looked at. Whether the charter itself is sound is for meetings to judge, which adopts it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from services.membership.domain.founding import FoundingRules

#: Where the TOML reader stopped; it tells so in words only.
_STOPPED_AT = re.compile(r"at line ([0-9]+)")


class CharterUnreadable(Exception):
    """The file is no charter: no TOML (`line`, where known), or without a key that a founding needs (`missing`)."""

    def __init__(self, reason: str, *, line: int | None = None, missing: str = "") -> None:
        super().__init__(reason)
        self.line = line
        self.missing = missing


def read_charter_rules(data: bytes) -> FoundingRules:
    """The rules that a founding must keep under this charter. Raises CharterUnreadable."""
    try:
        return _rules_of(tomllib.loads(data.decode("utf-8-sig")))
    except KeyError as error:
        raise CharterUnreadable(f"no {error.args[0]!r}", missing=str(error.args[0])) from error
    except tomllib.TOMLDecodeError as error:
        stopped = _STOPPED_AT.search(str(error))
        raise CharterUnreadable(str(error), line=int(stopped.group(1)) if stopped else None) from error
    except (TypeError, AttributeError, ValueError) as error:
        raise CharterUnreadable(str(error)) from error


def _rules_of(charter: Mapping[str, Any]) -> FoundingRules:
    alliance = charter["alliance"]
    kinds: Sequence[Mapping[str, Any]] = charter["member_kinds"]
    seats: Sequence[Mapping[str, Any]] = charter["seats"]
    return FoundingRules(
        name=str(alliance["name"]["zh-CN"]),
        number_prefix=str(alliance["number_prefix"]),
        # Art. 1: some kinds may join later without having been among the founders.
        kinds=frozenset(str(each["code"]) for each in kinds if each.get("founding", True)),
        counties=frozenset(str(each["code"]) for each in charter["counties"]),
        nominators={
            str(each["office"]): tuple(each["nominated_by"].values()) for each in seats if "nominated_by" in each
        },
        seats={str(each["office"]): int(each["count"]) for each in seats},
        term_years=int(charter["committee"]["term_years"]),
    )
