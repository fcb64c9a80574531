"""The first day of a platform in a real browser: nobody is there, and an alliance is founded from its two files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import OpenWindow, each_look
from tests.browser.obtaining import Tools
from tests.browser.small_founding import write_small_founding
from tests.browser.test_pages import press
from tests.browser.windows import House, Look
from tests.builders.console import CHARTER, empty_office

CODE = "a-setup-code-for-tests"


@pytest.fixture
def house(chromium: Browser, browser_tools: Tools, tmp_path: Path) -> Iterator[House]:
    """An empty platform that may be founded in the browser."""
    with empty_office(tmp_path, for_browsers=True, setup_code=CODE) as office:
        yield House(office, chromium, browser_tools.axe_script)


@each_look
def test_an_alliance_is_founded_in_the_browser(open_window: OpenWindow, tmp_path: Path, look: Look) -> None:
    window = open_window(look)
    page = window.page

    window.open("/")
    window.look("first-day")
    page.get_by_role("main").get_by_role("link", name=window.say("home.empty.go")).click()
    window.look("founding")
    window.open("/founding/charter")
    window.look("founding-step-by-step")
    window.open("/founding/file")
    page.locator("[name=setup_code]").fill("not-the-code")
    press(window, "founding.check")
    window.look("founding-refused")
    page.locator("[name=setup_code]").fill(CODE)
    page.locator("[name=charter_file]").set_input_files(CHARTER)
    page.locator("[name=founding_file]").set_input_files(write_small_founding(tmp_path))
    press(window, "founding.check")
    window.look("founding-previewed")
    press(window, "founding.confirm.yes")
    window.look("founded")
