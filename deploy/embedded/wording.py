"""Which entries of a timeline the story shows.

Words only; what happened comes from the APIs as it is.
"""

from __future__ import annotations

from typing import Any

DELIVERY = "notifications.delivery."


def worth_showing(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries without the inbox notices: there is one for nearly every step, and they would bury the steps."""
    return [entry for entry in entries if not _is_notice(entry)]


def count_notices(entries: list[dict[str, Any]]) -> int:
    """How many inbox notices there were."""
    return sum(1 for entry in entries if _is_notice(entry))


def _is_notice(entry: dict[str, Any]) -> bool:
    return str(entry["type"]).startswith(DELIVERY) and entry["data"].get("channel") == "inbox"
