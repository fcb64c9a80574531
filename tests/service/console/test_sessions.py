"""Sessions of the console: how long they hold, what opens them, and that a copy of the database opens none."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.console.browser import SESSION_COOKIE, VISITOR_COOKIE
from services.console.commands import sessions
from services.console.commands.drafts import KEPT, drop_draft, find_draft, keep_draft
from services.console.tables import drafts
from services.console.tables import sessions as table
from shared.runtime.assembly import Assembly
from shared.runtime.clock import ManualClock
from tests.builders.console import ADDRESS, Office

GRANTED = {"access_token": "token-1", "refresh_token": "refresh-1", "expires_in": 600}
PERSON = {"account_id": "a-1", "username": "secretary", "name": "何静怡", "roles": ["secretariat"], "member": None}
SECRET, OTHER = "1" * 64, "2" * 64


@pytest.fixture
def house(make_assembly: Any) -> Assembly:
    made: Assembly = make_assembly("console")
    return made


def begin(house: Assembly, secret: str = SECRET) -> sessions.Session:
    with house.begin() as work:
        return sessions.begin_session(work, secret, GRANTED, PERSON)


def find(house: Assembly, secret: str = SECRET) -> sessions.Session | None:
    with house.reading() as reading:
        return sessions.find_session(reading, secret)


def test_a_session_is_found_by_its_secret_only(house: Assembly) -> None:
    begun = begin(house)

    assert find(house) == begun
    assert find(house, OTHER) is None


def test_what_is_stored_says_nothing_without_the_cookie(house: Assembly) -> None:
    begin(house)
    with house.begin() as work:
        keep_draft(work, SECRET, "application", {"unit_name": "株洲某单位"})

    with house.reading() as reading:
        stored = json.dumps([str(row) for row in [*reading.all(sa.select(table)), *reading.all(sa.select(drafts))]])
    for known in (SECRET, "token-1", "refresh-1", "secretariat", "株洲某单位"):
        assert known not in stored


def test_a_session_ends_half_an_hour_after_the_last_click(house: Assembly, clock: ManualClock) -> None:
    begin(house)
    clock.advance(29 * 60)
    with house.begin() as work:
        sessions.note_seen(work, SECRET)
    clock.advance(29 * 60)
    assert find(house) is not None

    clock.advance(60)

    assert find(house) is None


def test_a_session_ends_after_twelve_hours_however_busy(house: Assembly, clock: ManualClock) -> None:
    begin(house)
    for _ in range(12 * 6 - 1):
        clock.advance(600)
        with house.begin() as work:
            sessions.note_seen(work, SECRET)
    assert find(house) is not None

    clock.advance(600)

    assert find(house) is None


def test_what_has_ended_is_dropped_at_the_next_sign_in(house: Assembly, clock: ManualClock) -> None:
    begin(house)
    clock.advance(13 * 3600)

    begin(house, OTHER)

    with house.reading() as reading:
        assert len(reading.all(sa.select(table))) == 1


def test_of_two_pages_one_gets_the_new_token(house: Assembly, clock: ManualClock) -> None:
    begun = begin(house)
    with house.begin() as work:
        assert sessions.claim_renewal(work, begun)
    with house.begin() as work:
        assert not sessions.claim_renewal(work, begun)

    with house.begin() as work:
        renewed = sessions.renew_session(work, begun, {**GRANTED, "access_token": "token-2", "expires_in": 700})

    found = find(house)
    assert found is not None
    assert (found.token, found) == ("token-2", renewed)
    with house.begin() as work:
        assert not sessions.claim_renewal(work, begun), "who still holds the old token must not use its refresh token"


def test_a_renewal_that_came_to_nothing_may_be_tried_by_the_next(house: Assembly, clock: ManualClock) -> None:
    begun = begin(house)
    with house.begin() as work:
        sessions.claim_renewal(work, begun)
    clock.advance(sessions.RENEWAL.total_seconds() + 1)
    with house.begin() as work:
        assert sessions.claim_renewal(work, begun)

    with house.begin() as work:
        sessions.release_renewal(work, begun)

    with house.begin() as work:
        assert sessions.claim_renewal(work, begun)


def test_what_membership_tells_anew_does_not_undo_a_renewal(house: Assembly) -> None:
    begun = begin(house)
    with house.begin() as work:
        sessions.renew_session(work, begun, {**GRANTED, "access_token": "token-2", "expires_in": 700})

    with house.begin() as work:
        sessions.note_person(work, begun, {**PERSON, "name": "另一个名字"})

    found = find(house)
    assert found is not None
    assert found.token == "token-2"


def test_signing_out_everywhere_ends_the_sessions_of_one_person(house: Assembly) -> None:
    begin(house)
    begin(house, OTHER)
    with house.begin() as work:
        sessions.begin_session(work, "3" * 64, GRANTED, {**PERSON, "account_id": "a-2"})

    with house.begin() as work:
        sessions.end_sessions_of(work, "a-1")

    assert find(house) is None
    assert find(house, OTHER) is None
    assert find(house, "3" * 64) is not None


def test_a_draft_is_kept_for_a_month_and_for_its_visitor_only(house: Assembly, clock: ManualClock) -> None:
    with house.begin() as work:
        keep_draft(work, SECRET, "application", {"unit_name": "first"})
        keep_draft(work, SECRET, "application", {"unit_name": "second"})

    with house.reading() as reading:
        assert find_draft(reading, SECRET, "application") == {"unit_name": "second"}
        assert find_draft(reading, OTHER, "application") is None
        assert find_draft(reading, SECRET, "other") is None

    clock.advance((KEPT + timedelta(seconds=1)).total_seconds())
    with house.begin() as work:
        keep_draft(work, OTHER, "application", {})
    with house.reading() as reading:
        assert find_draft(reading, SECRET, "application") is None


def test_a_draft_that_was_sent_is_forgotten(house: Assembly) -> None:
    with house.begin() as work:
        keep_draft(work, SECRET, "application", {"unit_name": "first"})
        drop_draft(work, SECRET, "application")

    with house.reading() as reading:
        assert find_draft(reading, SECRET, "application") is None


def test_cookies_are_for_this_host_over_tls_and_not_for_scripts(office: Office) -> None:
    cookies = office.visitor().get("/").response.headers.getlist("Set-Cookie")

    assert len(cookies) == 1
    assert cookies[0].startswith(f"{VISITOR_COOKIE}=")
    for rule in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert rule in cookies[0]
    assert "Domain" not in cookies[0]


def test_a_session_that_ended_is_said_so_and_its_cookie_goes(office: Office) -> None:
    visitor = office.signed_in("secretary")
    visitor.get("/style")
    visitor.send("/sign-out")
    cookie = "4" * 64
    visitor.client.set_cookie(SESSION_COOKIE, cookie, domain="alliance.example", secure=True)

    answer = visitor.client.get("/members", base_url=ADDRESS)

    assert answer.status_code == 401
    assert any(each.startswith(f"{SESSION_COOKIE}=;") for each in answer.headers.getlist("Set-Cookie"))


@pytest.mark.parametrize("cookie", ["", "x", "0" * 63, "0" * 65, "G" * 64, "'; DROP TABLE sessions; --"])
def test_a_cookie_that_is_none_of_ours_is_nobody(office: Office, cookie: str) -> None:
    visitor = office.visitor()
    visitor.client.set_cookie(SESSION_COOKIE, cookie, domain="alliance.example", secure=True)

    assert "登录" in visitor.get("/").text


def test_after_signing_out_the_old_cookie_opens_nothing(office: Office) -> None:
    visitor = office.signed_in("secretary")
    kept = visitor.client.get_cookie(SESSION_COOKIE, domain="alliance.example")
    assert kept is not None
    visitor.get("/style")
    visitor.send("/sign-out")

    thief = office.visitor()
    thief.client.set_cookie(SESSION_COOKIE, kept.value, domain="alliance.example", secure=True)

    assert thief.client.get("/members", base_url=ADDRESS).status_code == 401
