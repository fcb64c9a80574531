"""What visitors and applicants see beside the story of an admission: what is missing, wrong, refused or over."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenWindow, each_look
from tests.browser.stage import Stage
from tests.browser.windows import House, Look, Window
from tests.builders.admissions import Case


def press(window: Window, code: str) -> None:
    """A button of the page's own part."""
    window.page.get_by_role("main").get_by_role("button", name=window.say(code), exact=True).click()


def follow(window: Window, case: Case, name: str) -> None:
    """To an application by its private link."""
    window.page.goto(f"{window.house.url}/status/{case.application_id}#code={case.access_code}")
    expect(window.page.get_by_role("heading", level=1)).to_have_text(case.unit_name)
    window.look(name)


@each_look
def test_a_visitor_finds_nothing_amiss(open_window: OpenWindow, look: Look) -> None:
    window = open_window(look)

    window.open("/style")
    window.look("every-component")
    window.open("/charter")
    window.look("charter-of-visitors")
    window.open("/nowhere", 404)
    window.look("not-there")
    window.open("/sign-in/back", 400)
    window.look("sign-in-failed")
    window.open("/sign-in")
    window.page.locator("#username").fill("nobody")
    window.page.locator("#password").fill("not-the-password")
    window.page.locator("form:has(#password) button").click()
    window.look("wrong-password")
    window.open("/founding")
    window.look("founded-already")
    window.open("/")
    window.page.evaluate("document.querySelector('[name=form_token]').value = ''")
    window.page.locator("footer button").click()
    window.look("form-refused")


@each_look
def test_an_applicant_who_makes_mistakes_finds_nothing_amiss(open_window: OpenWindow, look: Look) -> None:
    window = open_window(look)
    page = window.page

    window.open("/apply/unit")
    press(window, "apply.next")
    window.look("form-left-empty")
    page.locator("[name=unit_name]").fill("株洲市渌口区" + "数字化转型服务" * 6)
    press(window, "apply.later")
    window.look("draft-waits")
    window.open("/apply/review")
    window.look("form-incomplete")
    window.open("/apply/discard")
    window.look("draft-to-be-discarded")
    window.open("/status")
    window.look("finding-an-application")
    press(window, "status.open.do")
    window.look("application-not-found")
    window.open("/activate")
    press(window, "activate.do")
    window.look("activation-refused")


@each_look
def test_an_applicant_finds_nothing_amiss_however_it_ends(open_window: OpenWindow, stage: Stage, look: Look) -> None:
    window = open_window(look)

    follow(window, stage.under_review, "under-review")
    window.page.get_by_role("link", name=window.say("status.withdraw")).click()
    window.look("withdrawing")
    follow(window, stage.doubtful, "doubtful")
    follow(window, stage.refused, "refused")
    follow(window, stage.withdrawn, "withdrawn")


@each_look
def test_a_visitor_is_told_what_is_away(open_window: OpenWindow, house: House, stage: Stage, look: Look) -> None:
    window = open_window(look)

    with house.office.without("membership"):
        window.open("/")
        window.look("home-without-membership")
    with house.office.without("meetings"):
        window.open("/apply/unit")
        window.look("form-without-meetings")
        window.open("/charter")
        window.look("charter-away")
