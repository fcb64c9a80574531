"""How an article is cited in each language: `6(2)` is 第六条（二） in Chinese.

Words only; which article governs something is said by whoever decides it.
"""

from __future__ import annotations

import re

from shared.runtime.texts import Texts

_ARTICLE = re.compile(r"(\d{1,2})(?:\((\d{1,2})\))?")
_DIGITS = "〇一二三四五六七八九"


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
