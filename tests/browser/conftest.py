"""One alliance and one browser for all browser tests; each opens windows of its own and acts on a unit of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.obtaining import Tools
from tests.browser.small_founding import write_small_founding
from tests.browser.stage import Stage, set_stage
from tests.browser.windows import PATIENCE_MS, House, Look, Window
from tests.builders.console import founded_office

HERE = Path(__file__).parent
#: Nothing of Chromium's own goes out: it would look for updates, and for names at start. Root has no sandbox.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]

OpenWindow = Callable[[Look], Window]
#: Both languages, at a desk and on a phone.
LOOKS = [Look(language, *size) for language in ("zh-CN", "en") for size in ((1280, 900), (390, 844))]
each_look = pytest.mark.parametrize("look", LOOKS, ids=str)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever runs `-m 'not browser'` has no need of one."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium(browser_tools: Tools) -> Iterator[Browser]:
    """Ends with this package's tests: while it runs, asyncio takes this thread for its own."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        # The browser's own parts, such as fields for dates, speak one language wherever the tests run.
        speaking: dict[str, str | float | bool] = {**os.environ, "LANGUAGE": "en_US"}
        browser = playwright.chromium.launch(executable_path=browser_tools.chromium, args=FLAGS, env=speaking)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def house(chromium: Browser, browser_tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The alliance, as browsers reach it."""
    folder = tmp_path_factory.mktemp("alliance")
    with founded_office(folder, founding=write_small_founding(folder), for_browsers=True) as office:
        house = House(office, chromium, browser_tools.axe_script)
        inbox = {"event_types": ["membership.*", "meetings.*"], "channel": "inbox"}
        house.signed_in("secretary").post("notifications/v1/subscriptions", inbox)
        yield house


@pytest.fixture(scope="package")
def stage(house: House) -> Stage:
    """Applications and accounts in many states."""
    return set_stage(house.office)


@pytest.fixture
def open_window(house: House) -> Iterator[OpenWindow]:
    """Opens windows; at the end of the test nothing may have been found in any of them."""
    windows: list[Window] = []

    def opened(look: Look) -> Window:
        windows.append(Window(house, look))
        return windows[-1]

    yield opened
    for window in windows:
        window.context.close()
    findings = [finding for window in windows for finding in window.findings]
    assert not findings, f"{len(findings)} findings:\n" + "\n".join(findings)
