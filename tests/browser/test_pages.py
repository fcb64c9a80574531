"""Every page in every state it can be met in: both languages, at a desk and on a phone, and once in the dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.windows import Look, Window

OpenWindow = Callable[[Look], Window]
#: At a desk, and on a phone.
LOOKS = [
    pytest.param(Look(language, width, height), id=f"{language}-{width}")
    for language in ("zh-CN", "en")
    for width, height in ((1280, 900), (390, 844))
]


@pytest.mark.parametrize("look", LOOKS)
def test_a_visitor_finds_nothing_amiss(open_window: OpenWindow, look: Look) -> None:
    window = open_window(look)

    window.open("/")
    window.look("home-of-visitors")
    window.open("/style")
    window.look("every-component")
    window.open("/nowhere", 404)
    window.look("not-there")
    window.open("/sign-in/back", 400)
    window.look("sign-in-failed")
