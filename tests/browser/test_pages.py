"""Every page in every state it can be met in: both languages, at a desk and on a phone, and once in the dark."""

from __future__ import annotations

from tests.browser.conftest import OpenWindow, each_look
from tests.browser.windows import Look


@each_look
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
