"""What people see who are signed in: representatives, the secretariat, everybody; with a service away, and with an old sign-in."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenWindow, each_look
from tests.browser.stage import REPRESENTATIVE, Stage, age
from tests.browser.test_pages import press
from tests.browser.windows import House, Look


@each_look
def test_a_representative_finds_nothing_amiss(open_window: OpenWindow, stage: Stage, look: Look) -> None:
    window = open_window(look)
    window.become(REPRESENTATIVE)

    window.open("/members?kind=window_platform")
    window.look("roster-of-one-kind")
    window.open(stage.unit)
    window.look("own-unit")
    window.open(f"{stage.unit}/account")
    window.look("account-statement")
    window.open("/ballots")
    window.look("ballots")
    window.open("/ballots?state=cancelled")
    window.look("no-such-ballots")
    window.open(stage.review)
    window.look("ballot-of-others")
    window.open("/operations", 403)
    window.look("not-for-this-role")


@each_look
def test_a_secretary_finds_nothing_amiss(open_window: OpenWindow, stage: Stage, look: Look) -> None:
    window = open_window(look)
    window.become("secretary")

    window.open("/applications")
    window.look("all-applications")
    window.open("/applications?state=questioned")
    window.look("no-such-applications")
    window.open(stage.doubtful.page)
    press(window, "desk.ask")
    window.look("question-left-empty")
    window.open(f"{stage.doubtful.page}/acceptance")
    press(window, "desk.accept")
    window.look("warnings-to-be-confirmed")
    window.open(f"{stage.doubtful.page}/withdrawal")
    window.look("withdrawal-on-paper")
    window.open(stage.refused.page)
    window.look("refused-application")
    window.open(f"/timelines/{stage.refused.get()['correlation_id']}")
    window.look("story-of-a-refusal")


@each_look
def test_a_vote_with_an_old_sign_in_asks_for_the_password(
    open_window: OpenWindow, house: House, stage: Stage, look: Look
) -> None:
    window = open_window(look)
    secret = house.office.session_of("centre")
    age(house.office, secret)
    window.hold(secret)

    window.open(stage.review)
    press(window, "ballots.on_to_confirmation")
    window.look("no-choice-made")
    window.page.locator("[name=choice][value=no]").check()
    press(window, "ballots.on_to_confirmation")
    expect(window.page.locator("#username")).to_have_value("centre")
    window.look("password-asked-again")


@each_look
def test_people_are_told_what_is_away(open_window: OpenWindow, house: House, stage: Stage, look: Look) -> None:
    window = open_window(look)
    window.become("secretary")

    with house.office.without("meetings"):
        window.open("/ballots", 503)
        window.look("ballots-away")
    with house.office.without("notifications"):
        window.open("/notices")
        window.look("notices-away")
    with house.office.without("membership"):
        window.open("/applications", 503)
        window.look("applications-away")


@each_look
def test_a_session_that_has_ended_is_told_in_words(open_window: OpenWindow, house: House, look: Look) -> None:
    window = open_window(look)
    window.hold("0" * 64)

    window.open("/ballots", 401)
    window.look("session-ended")


def test_everything_can_be_read_in_the_dark(open_window: OpenWindow, stage: Stage) -> None:
    window = open_window(Look(dark=True, name="dark"))
    window.open("/")
    window.look("home-of-visitors")
    window.open("/style")
    window.look("every-component")
    window.open("/apply/unit")
    window.look("form")
    window.become("centre")

    window.open("/")
    window.look("home-of-the-committee")
    window.open(stage.review)
    window.look("ballot")
    window.open(stage.refused.page)
    window.look("refused-application")
    window.open("/charter")
    window.look("charter")
    window.become("secretary")
    window.open(stage.doubtful.page)
    window.look("application-to-be-checked")
    window.open(f"/timelines/{stage.refused.get()['correlation_id']}")
    window.look("story-of-a-refusal")
    window.become("operator")
    window.open("/operations")
    window.look("operations")
