"""The two pictures in the README, made anew with LIANMENG_README_SCREENSHOTS=1: they show what is there today."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import OpenWindow
from tests.browser.obtaining import Tools
from tests.browser.windows import House, Look, Window
from tests.builders.admissions import Admitted, admit_one, hand_in
from tests.builders.console import founded_office
from tests.deployment.process import ROOT

FOLDER = ROOT / "docs" / "images"
#: A picture that a page loads at once, in bytes.
PICTURE_BYTES_MAX = 200_000

pytestmark = pytest.mark.skipif(
    os.environ.get("LIANMENG_README_SCREENSHOTS") != "1", reason="only with LIANMENG_README_SCREENSHOTS=1"
)


@pytest.fixture
def admitted(tmp_path: Path) -> Iterator[Admitted]:
    """The demo's alliance, with one unit admitted by exactly half, another under review, and a third to be checked."""
    with founded_office(tmp_path, for_browsers=True) as office:
        made = admit_one(
            office, unit_name="株洲演示数字化转型服务有限公司", kind="service_institution", county="shifeng"
        )
        hand_in(office, unit_name="醴陵演示陶瓷检测有限公司").accept()
        hand_in(office, unit_name="攸县演示油茶产业创新基地", kind="innovation_base", county="youxian")
        yield made


@pytest.fixture
def house(admitted: Admitted, chromium: Browser, browser_tools: Tools) -> House:
    """That alliance, as browsers reach it."""
    return House(admitted.office, chromium, browser_tools.axe_script)


def keep(window: Window, name: str) -> None:
    """One screen of the page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture = window.page.screenshot(animations="disabled")
    assert len(picture) < PICTURE_BYTES_MAX
    (FOLDER / name).write_bytes(picture)


def test_the_readme_shows_the_home_page_and_a_result(open_window: OpenWindow, admitted: Admitted) -> None:
    window = open_window(Look("zh-CN", 1280, 960))
    window.become("secretary")

    window.open("/")
    keep(window, "console-home.png")
    window.become("centre")
    window.open(f"/ballots/{admitted.vote}")
    keep(window, "console-ballot.png")
