"""How somebody works a page: with a mouse or a finger, or with nothing but the keyboard.

Both do the same things to the same fields, so every story can be told with either. Neither knows any page.
"""

from __future__ import annotations

from typing import Protocol

from playwright.sync_api import Locator, Page, expect

#: Stops of the Tab key before a page counts as a trap.
STOPS_MAX = 150


class Hands(Protocol):
    """What can be done to a page."""

    def press(self, target: Locator) -> None:
        """Follow a link, press a button; waits for the page that comes of it."""

    def write(self, field: Locator, text: str) -> None:
        """Write into a field, in place of what is there."""

    def choose(self, field: Locator, value: str) -> None:
        """Choose an option of a list."""

    def tick(self, box: Locator) -> None:
        """Tick a box, or one of several."""


class Mouse:
    """A mouse or a finger."""

    def press(self, target: Locator) -> None:
        target.click()

    def write(self, field: Locator, text: str) -> None:
        field.fill(text)

    def choose(self, field: Locator, value: str) -> None:
        field.select_option(value)

    def tick(self, box: Locator) -> None:
        box.check()


class Keyboard:
    """Tab, Enter, Space, arrows and letters. Fails where the focus cannot be seen, or does not come."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def press(self, target: Locator) -> None:
        self._go_to(target)
        self._page.keyboard.press("Enter")

    def write(self, field: Locator, text: str) -> None:
        self._go_to(field)
        if field.get_attribute("type") == "date":
            year, month, day = text.split("-")
            field.press_sequentially(month + day + year)  # as the browser's own language has it (conftest.py)
            return
        self._page.keyboard.press("ControlOrMeta+A")
        self._page.keyboard.insert_text(text)  # as from an input method: Chinese has no keys of its own

    def choose(self, field: Locator, value: str) -> None:
        self._go_to(field)
        for _ in range(field.locator("option").count()):
            if field.input_value() == value:
                return
            self._page.keyboard.press("ArrowDown")
        expect(field).to_have_value(value)

    def tick(self, box: Locator) -> None:
        if box.get_attribute("type") == "checkbox":
            self._go_to(box)
            if not box.is_checked():
                self._page.keyboard.press("Space")
        else:
            self._go_to_one_of(box)
        expect(box).to_be_checked()

    def _go_to_one_of(self, box: Locator) -> None:
        """Tab stops once at several that exclude one another; arrows go on from there."""
        group = self._page.locator(f"input[type=radio][name='{box.get_attribute('name')}']")
        self._tab(lambda: bool(group.evaluate_all("all => all.includes(document.activeElement)")), str(group))
        self._page.keyboard.press("Space")
        for _ in range(group.count()):
            if box.is_checked():
                return
            self._page.keyboard.press("ArrowDown")

    def _go_to(self, target: Locator) -> None:
        expect(target).to_be_enabled()
        self._tab(lambda: bool(target.evaluate("it => it === document.activeElement")), str(target))
        seen = target.evaluate(
            "it => { const s = getComputedStyle(it); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 }"
        )
        assert seen, f"the focus on {target} cannot be seen"

    def _tab(self, is_there, what: str) -> None:
        for _ in range(STOPS_MAX):
            if is_there():
                return
            self._page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not come to {what}")
