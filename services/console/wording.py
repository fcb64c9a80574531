"""How the console puts things: times in China's zone, money in yuan, names from the charter. Words only.

What happened comes from the APIs as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

#: China keeps one time zone and no summer time.
CHINA = timezone(timedelta(hours=8))


def moment(text: str | None) -> str:
    """An RFC 3339 instant as date and time in China; empty for none."""
    return f"{_in_china(text):%Y-%m-%d %H:%M}" if text else ""


def day(text: str | None) -> str:
    """An RFC 3339 instant, or a date, as the day in China."""
    if not text:
        return ""
    return text if len(text) == 10 else f"{_in_china(text):%Y-%m-%d}"


def second(text: str) -> str:
    """An instant to the second, for what happens quickly."""
    return f"{_in_china(text):%Y-%m-%d %H:%M:%S}"


def money(fen: int) -> str:
    """Integer fen as yuan: `-1,234.50`."""
    yuan, rest = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{yuan:,}.{rest:02d}"


def thousands(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def names_of(catalogue: Iterable[Mapping[str, Any]] | None, language: str) -> dict[str, str]:
    """Code → name in the language, of a list in the charter such as the kinds of unit."""
    return {str(each["code"]): str(each["name"].get(language, each["code"])) for each in catalogue or ()}


def _in_china(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(CHINA)
