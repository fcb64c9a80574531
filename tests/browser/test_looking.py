"""What looks at pages would notice: each fault, put into a page of its own, is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.looking import faults_of_page
from tests.browser.windows import Look, Window

SOUND = "<h1>成员花名册</h1><p>第一页</p>"


def shown(window: Window, body: str, language: str = "zh-CN") -> list[str]:
    window.page.set_content(f"<!doctype html><html lang='{language}'><title>花名册</title><body><main>{body}</main>")
    return list(faults_of_page(window.page, window.house.axe_script, "zh-CN", {"form", "nav"}))


def test_a_sound_page_has_no_fault(open_window: Callable[[Look], Window]) -> None:
    assert shown(open_window(Look()), SOUND) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<div style='width: 3000px'>宽</div>", "px wide in a window of 1280"),
        ("<p style='width: 2em; overflow: hidden; white-space: nowrap'>很长很长的一句话</p>", "cut at the side"),
        ("<p style='height: 1em; overflow: hidden'>一<br>二<br>三</p>", "cut below"),
        ("<label>地 <select style='width: 3em'><option>株洲市荷塘区</select></label>", "cut in its field"),
        ("<p>\ufffd</p>", "garbled"),
        ("<p>æˆ‘们</p>", "garbled"),
        ("<p>None</p>", "leaked"),
        ("<p>{name} 已提交</p>", "leaked"),
        ("<p>form.unknown_text</p>", "a key instead of its text: form.unknown_text"),
        ("<img src='data:,' alt='nav.home'>", "a key instead of its text: nav.home"),
        ("<h1>又一个</h1>", "not one <h1>"),
        ("<h3>跳级</h3>", "<h3> follows <h1>"),
        ("<p style='color: #aaa; background: #fff'>看不清</p>", "axe serious color-contrast"),
        ("<input name='unit'>", "axe critical label"),
        ("<a href='/1' style='font-size: 8px'>一</a> <a href='/2' style='font-size: 8px'>二</a>", "axe serious target-size"),
    ],
)  # fmt: skip
def test_a_fault_is_found(open_window: Callable[[Look], Window], body: str, said: str) -> None:
    faults = shown(open_window(Look()), SOUND + body)

    assert any(said in fault for fault in faults), faults


def test_a_page_in_another_language_than_asked_for_is_found(open_window: Callable[[Look], Window]) -> None:
    assert shown(open_window(Look()), SOUND, "en") == ["says it is in en, not in zh-CN"]


def test_what_a_page_does_behind_the_back_is_found(open_window: Callable[[Look], Window]) -> None:
    window = open_window(Look())
    window.open("/style")

    window.page.evaluate("document.body.append(Object.assign(document.createElement('script'), { textContent: '1' }))")
    window.page.goto(f"{window.house.url.replace('127.0.0.1', 'localhost')}/style")
    with window.page.expect_event("pageerror"):
        window.page.evaluate("() => { setTimeout(() => { throw new Error('torn') }) }")

    found, window.findings = "\n".join(window.findings), []
    assert "Content Security Policy" in found
    assert "asks another host: http://localhost" in found
    assert "script: torn" in found
