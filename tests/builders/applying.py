"""An application filled in on the pages, step by step as an applicant does it. Sends only what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.console.pages.application_form import STEPS, fields_of, typed_of
from tests.builders.console import Page, Visitor
from tests.builders.new_units import new_unit_form


def typed_unit(**changes: str) -> dict[str, Any]:
    """What somebody types for a new unit; `changes` by the fields' names, dots as double underscores."""
    typed = typed_of(new_unit_form())
    return {**typed, **{name.replace("__", "."): text for name, text in changes.items()}}


def fill_in(visitor: Visitor, typed: Mapping[str, str]) -> Page:
    """Every step, without being held up by what is wrong in one; the page to be looked over."""
    for step in STEPS:
        visitor.get(f"/apply/{step}")
        visitor.send(f"/apply/{step}", **_part(step, typed))
    return visitor.get("/apply/review")


def hand_in_by_pages(visitor: Visitor, typed: Mapping[str, str]) -> Page:
    """Filled in, pledged and sent; whatever page that ends on."""
    fill_in(visitor, typed)
    return visitor.send("/apply/review", follow=True, charter_pledge="yes")


def code_on(page: Page, part: str) -> str:
    """What the page of a sent application gives to keep: `number`, `link`, `id`, `code`."""
    return page.html.partition(f'id="kept-{part}">')[2].partition("<")[0]


def _part(step: str, typed: Mapping[str, str]) -> dict[str, Any]:
    return {each.name: typed.get(each.name, "") for each in fields_of(step)}
