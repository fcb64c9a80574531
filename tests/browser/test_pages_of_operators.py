"""The operators' pages in every state: nothing waits, events wait, an act is weighed and done, a service is away."""

from __future__ import annotations

from tests.browser.conftest import OpenWindow, each_look
from tests.browser.windows import House, Look
from tests.builders.parked import body_of


def park(house: House, *words: str) -> None:
    """Events that finance does not know."""
    for word in words:
        event_id = f"{word}-{house.office.assembly.ids.new_id()}"
        house.office.alliance.assemblies["finance"].consumer().accept([body_of("said", id=event_id, subject=event_id)])


@each_look
def test_an_operator_finds_nothing_amiss(open_window: OpenWindow, house: House, look: Look) -> None:
    window = open_window(look)
    page = window.page
    park(house, "first", "second")
    window.become("operator")

    window.open("/operations")
    window.look("operations")
    window.open("/operations/finance/events")
    window.look("parked-events")
    page.locator("main form [name=action]").first.click()
    window.look("no-event-chosen")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name=window.say("operations.discard")).click()
    window.look("discarding-weighed")
    page.get_by_role("button", name=window.say("operations.confirm.yes.discard")).click()
    window.look("discarding-without-reason")
    page.get_by_label(window.say("operations.reason")).fill("重复导入 twice the same import")
    page.get_by_role("button", name=window.say("operations.confirm.yes.discard")).click()
    window.look("discarded")
    window.open("/operations/finance/actions")
    window.look("acts-of-operators")
    window.open("/operations/finance/events?state=discarded")
    page.locator("tbody a").first.click()
    window.look("one-event")
    window.open("/operations/meetings/events")
    window.look("no-event-parked")
    window.open("/operations/deliveries")
    window.look("deliveries")
    with house.office.without("finance"):
        window.open("/operations")
        window.look("operations-with-finance-away")
        window.open("/operations/finance/events", 503)
        window.look("finance-away")
