"""How the story and the page put things: articles as people cite them, and which entries of a timeline to show.

Words only; what happened comes from the APIs as it is.
"""

from __future__ import annotations

import re
from typing import Any

from shared.runtime.texts import Texts

_ARTICLE = re.compile(r"(\d{1,2})(?:\((\d{1,2})\))?")
_DIGITS = "〇一二三四五六七八九"
DELIVERY = "notifications.delivery."


def article_label(texts: Texts, language: str, article: str | None) -> str:
    """`6(2)` as people cite it, e.g. 第六条（二）; empty where no article governs."""
    match = _ARTICLE.fullmatch(article or "")
    if match is None:
        return article or ""
    number, item = match[1], match[2]
    if language == "zh-CN":
        number, item = chinese_number(int(number)), chinese_number(int(item)) if item else item
    if item is None:
        return texts.render("article.whole", language, number=number)
    return texts.render("article.item", language, number=number, item=item)


def chinese_number(number: int) -> str:
    """1 to 99 in Chinese characters."""
    tens, ones = divmod(number, 10)
    if not tens:
        return _DIGITS[ones]
    return (_DIGITS[tens] if tens > 1 else "") + "十" + (_DIGITS[ones] if ones else "")


def worth_showing(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries without the inbox notices: there is one for nearly every step, and they would bury the steps."""
    return [entry for entry in entries if not _is_notice(entry)]


def count_notices(entries: list[dict[str, Any]]) -> int:
    """How many inbox notices there were."""
    return sum(1 for entry in entries if _is_notice(entry))


def _is_notice(entry: dict[str, Any]) -> bool:
    return str(entry["type"]).startswith(DELIVERY) and entry["data"].get("channel") == "inbox"
