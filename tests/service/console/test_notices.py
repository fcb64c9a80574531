"""The inbox in the console: what a notice is about, read and unread, one at a time or all of a page."""

from __future__ import annotations

import re
from typing import Any

import pytest

from services.console.browser import Person
from services.console.pages import notices
from tests.builders.admissions import Admitted
from tests.builders.console import Page


def unread_on(page: Page) -> list[str]:
    """Ids of the notices that can be marked as read."""
    return re.findall(r'action="/notices/([^/"]+)/read"', page.html)


def person(*roles: str) -> Person:
    return Person("id", "name", "Name", frozenset(roles), None)


def test_the_inbox_tells_what_happened_and_leads_to_it(admitted: Admitted) -> None:
    page = admitted.office.signed_in("secretary").get("/notices")

    assert page.status == 200
    assert f"新成员入会：{admitted.case.unit_name}（ZZ-0025）" in page.text
    assert "<script>alert" not in page.html
    for address in (admitted.unit_page, f"/ballots/{admitted.vote}", admitted.case.page, admitted.story):
        assert f'href="{address}"' in page.html
    assert 'href="/charter#article-6"' in page.html
    assert "Notices" in admitted.office.signed_in("secretary", "en").get("/notices").text


def test_whoever_may_not_read_applications_is_not_led_there() -> None:
    notice = {
        "type": "membership.application.submitted",
        "correlation_id": "c",
        "data": {"application_id": "a", "ballot_id": "b"},
    }

    assert notices.links_of(notice, person("authority")) == [("ballot", "/ballots/b"), ("timeline", "/timelines/c")]
    assert notices.links_of(notice, person("committee"))[0] == ("application", "/applications/a")


def test_one_notice_is_marked_as_read_and_the_others_stay(admitted: Admitted) -> None:
    visitor = admitted.office.signed_in("secretary")
    before = unread_on(visitor.get("/notices"))

    page = visitor.send(f"/notices/{before[0]}/read", follow=True)

    assert "已标为已读" in page.text
    assert unread_on(page) == before[1:]
    assert "已读于" in page.text
    assert unread_on(visitor.get("/notices?unread=1")) == before[1:]


def test_sent_twice_a_notice_is_read_once(admitted: Admitted) -> None:
    visitor = admitted.office.signed_in("secretary")
    notice = unread_on(visitor.get("/notices"))[0]

    assert visitor.send(f"/notices/{notice}/read").status == 303
    assert visitor.send(f"/notices/{notice}/read").status == 303


def test_somebody_elses_notice_is_refused_on_the_same_page(admitted: Admitted) -> None:
    notice = unread_on(admitted.office.signed_in("secretary").get("/notices"))[0]
    visitor = admitted.office.signed_in("centre")
    visitor.get("/notices")

    page = visitor.send(f"/notices/{notice}/read")

    assert page.status == 404
    assert "没有这条消息" in page.text
    assert "还没有通知" in page.text


def test_the_inbox_comes_in_pages_and_stays_on_the_page_where_one_is_read(
    admitted: Admitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "NOTICES", 3)
    visitor = admitted.office.signed_in("secretary")

    first = visitor.get("/notices?unread=1")
    following = re.search(r'rel="next" href="([^"]+)"', first.html)
    assert following is not None
    address = following[1].replace("&amp;", "&")
    second = visitor.get(address)
    place: dict[str, Any] = {"unread": second.value("unread"), "cursor": second.value("cursor")}
    answer = visitor.send(f"/notices/{unread_on(second)[0]}/read", **place)

    assert not set(unread_on(first)) & set(unread_on(second))
    assert "unread=1" in address
    assert answer.location.startswith("/notices?unread=1&cursor=")
    assert 'href="/notices?unread=1"' in second.html


def test_all_notices_of_a_page_are_marked_at_once(admitted: Admitted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "NOTICES", 2)
    visitor = admitted.office.signed_in("secretary")
    shown = unread_on(visitor.get("/notices?unread=1"))

    page = visitor.send("/notices/read", notice_id=shown, unread="1", follow=True)

    assert "本页的通知已标为已读" in page.text
    assert len(shown) == 2
    assert not set(shown) & set(unread_on(page))


def test_while_notifications_is_away_the_inbox_says_so(admitted: Admitted) -> None:
    visitor = admitted.office.signed_in("secretary")
    notice = unread_on(visitor.get("/notices"))[0]
    with admitted.office.without("notifications"):
        page = visitor.get("/notices")
        sent = visitor.send(f"/notices/{notice}/read")

    assert page.status == 200
    assert "通知服务暂时连不上" in page.text
    assert "还没有通知" not in page.text
    assert sent.status == 503
    assert "还没有送出" in sent.text


def test_whoever_was_told_nothing_reads_so(admitted: Admitted) -> None:
    visitor = admitted.office.signed_in("authority")

    assert "还没有通知" in visitor.get("/notices").text
    assert "没有未读的通知" in visitor.get("/notices?unread=1").text


def test_the_inbox_is_for_people_who_are_signed_in(admitted: Admitted) -> None:
    assert admitted.office.visitor().get("/notices").location == "/sign-in?next=/notices"
