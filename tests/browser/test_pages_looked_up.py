"""What people look up, and where they start: home by role, roster, a unit, the charter, notices, a story, one's account."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenWindow, each_look
from tests.browser.windows import House, Look
from tests.builders.admissions import Case, hand_in
from tests.builders.console import NOBODY_LISTENS
from tests.waiting import wait_until

#: Long, without a space, and with markup: what a page must bear.
NAMES = (
    "株洲市天元区中小微企业数字化转型与知识产权综合服务中心有限责任公司",
    "Averylongnamewithoutanyspacethatmustnotmakethepagewiderthanitis",
    "<script>alert(1)</script>有限公司",
)


def hand_in_some(house: House) -> Case:
    """A few applications, the first of them before the committee."""
    first, *_ = cases = [hand_in(house.office, unit_name=name) for name in NAMES]
    cases[1].answer(cases[1].ask())
    first.accept()
    return first


def tell_the_secretariat(house: House) -> None:
    """From now on the inbox of this role fills; once is enough for all looks."""
    caller = house.signed_in("secretary")
    if not caller.get("notifications/v1/subscriptions")["items"]:
        caller.post("notifications/v1/subscriptions", {"event_types": ["*"], "channel": "inbox"})


@each_look
def test_what_people_look_up_has_nothing_amiss(open_window: OpenWindow, house: House, look: Look) -> None:
    window = open_window(look)
    page = window.page
    tell_the_secretariat(house)
    case = hand_in_some(house)
    secretary = house.signed_in("secretary")
    wait_until(lambda: secretary.get("notifications/v1/inbox", unread="true")["items"], "somebody told")

    window.become("secretary")
    window.open("/")
    window.look("home-of-the-secretariat")
    window.open("/notices")
    window.look("notices")
    page.get_by_role("button", name=window.say("notices.read")).first.click()
    window.look("notice-read")
    window.open(f"/timelines/{case.get()['correlation_id']}")
    page.locator("summary").first.click()
    window.look("story")
    window.open("/me")
    window.look("me")
    window.open("/me/sign-out-everywhere")
    window.look("sign-out-everywhere")

    window.become("centre")
    window.open("/")
    window.look("home-of-the-committee")
    window.open("/charter")
    page.locator("details summary").first.click()
    window.look("charter")
    window.open("/members")
    window.look("roster")
    window.open("/members?q=nobody")
    window.look("roster-nobody")
    page.get_by_role("link", name=window.say("roster.all")).first.click()
    page.locator("tbody a").first.click()
    window.look("unit")
    window.open(f"{page.url}/account")
    window.look("statement")

    window.become("operator")
    window.open("/")
    window.look("home-of-the-operator")
    for away in ("membership", "meetings", "notifications"):
        with house.office.without(away):
            window.open("/")
            window.look(f"home-without-{away}")


@each_look
def test_what_people_are_told_has_nothing_amiss(open_window: OpenWindow, house: House, look: Look) -> None:
    window = open_window(look)
    page = window.page

    window.become("authority")
    window.open("/notices")
    window.look("notices-none")
    window.open("/notices/subscriptions")
    window.look("subscriptions-none")
    page.get_by_role("button", name=window.say("subscriptions.usual"), exact=True).click()
    window.look("subscriptions")

    target = page.get_by_label(window.say("subscriptions.target"), exact=True)
    expect(target).to_be_hidden()
    page.check("[value=offices]")
    page.check("[value=email]")
    target.fill("nobody")
    page.get_by_role("button", name=window.say("subscriptions.subscribe"), exact=True).click()
    window.look("subscriptions-wrong-address")
    page.check("[value=webhook]")
    target.fill(f"http://127.0.0.1:{NOBODY_LISTENS}/{NAMES[1]}")
    page.get_by_role("button", name=window.say("subscriptions.subscribe"), exact=True).click()
    window.look("subscriptions-secret")

    window.open("/notices/subscriptions")
    window.look("subscriptions-two")
    for _ in range(2):
        page.get_by_role("link", name=window.say("subscriptions.end")).first.click()
        window.look("subscriptions-end")
        page.get_by_role("button", name=window.say("subscriptions.end"), exact=True).click()
    expect(page.get_by_text(window.say("subscriptions.none"), exact=True)).to_be_visible()
