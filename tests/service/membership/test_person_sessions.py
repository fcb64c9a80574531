"""Sessions of people: refresh tokens serve once; sessions end in time, early, or when somebody has a copy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from services.membership import tables
from services.membership.timers import prune
from tests.service.membership.driver import Membership, refused
from tests.service.membership.people import (
    PASSWORD,
    Visitor,
    bearing,
    claims_of,
    end_reasons,
    exchange,
    open_staff_account,
    refresh,
    refused_grant,
    signed_in,
)
from tests.service.membership.test_concurrency import at_once


def test_a_refresh_gives_new_tokens_and_keeps_the_time_of_the_password(house: Membership, person: str) -> None:
    first = signed_in(house)
    house.clock.advance(500)

    second = refresh(house, first["refresh_token"]).get_json()

    before, after = claims_of(house, first), claims_of(house, second)
    assert second["refresh_token"] != first["refresh_token"]
    assert after.authenticated_at_epoch == before.authenticated_at_epoch
    assert after.session_id == before.session_id
    assert after.token_id != before.token_id
    assert house.web.get("/me", headers=bearing(second)).status_code == 200


def test_a_refresh_gives_the_roles_of_this_moment(house: Membership, person: str) -> None:
    tokens = signed_in(house)
    with house.assembly.begin() as work:
        work.execute(sa.update(tables.accounts).values(staff_roles=["treasurer"]))

    assert claims_of(house, refresh(house, tokens["refresh_token"]).get_json()).roles == {"treasurer"}


def test_an_old_refresh_token_ends_the_session(house: Membership, person: str) -> None:
    # given a session that was refreshed twice
    first = signed_in(house)
    second = refresh(house, first["refresh_token"]).get_json()
    third = refresh(house, second["refresh_token"]).get_json()

    # when the first token comes again
    refused_grant(refresh(house, first["refresh_token"]))

    # then the newest is worth nothing either
    refused_grant(refresh(house, third["refresh_token"]))
    refused(house.web.get("/me", headers=bearing(third)), 401, "session.ended")
    assert end_reasons(house) == ["refresh_token_reused"]


def test_another_session_of_the_person_is_not_touched_by_that(house: Membership, person: str) -> None:
    first, other = signed_in(house), signed_in(house)
    refresh(house, first["refresh_token"])
    refused_grant(refresh(house, first["refresh_token"]))

    assert refresh(house, other["refresh_token"]).status_code == 200


def test_several_refreshes_at_once_are_a_reuse_and_one_of_them_serves(house: Membership, person: str) -> None:
    tokens = signed_in(house)

    answers = at_once(*[lambda: refresh(house, tokens["refresh_token"])] * 6)

    assert Counter(each.status_code for each in answers) == {200: 1, 400: 5}
    assert end_reasons(house) == ["refresh_token_reused"]
    (served,) = [each.get_json() for each in answers if each.status_code == 200]
    refused_grant(refresh(house, served["refresh_token"]))


@pytest.mark.parametrize(
    ("changes", "error", "status"),
    [
        ({"refresh_token": None}, "invalid_request", 400),
        ({"refresh_token": "0" * 64}, "invalid_grant", 400),
        ({"refresh_token": "a\x00b"}, "invalid_grant", 400),
        ({"refresh_token": "x" * 100_000}, "invalid_request", 400),
        ({"client_id": "nobody"}, "invalid_client", 401),
        ({"client_id": None}, "invalid_request", 400),
    ],
)
def test_a_bad_refresh_changes_nothing(
    house: Membership, person: str, changes: dict[str, Any], error: str, status: int
) -> None:
    tokens = signed_in(house)

    refused_grant(refresh(house, tokens["refresh_token"], **changes), error, status)

    assert refresh(house, tokens["refresh_token"]).status_code == 200


def test_a_refresh_token_of_another_application_is_not_good(house: Membership, person: str) -> None:
    tokens = signed_in(house)
    with house.assembly.begin() as work:
        work.execute(sa.update(tables.person_sessions).values(client_id="another"))

    refused_grant(refresh(house, tokens["refresh_token"]))


def test_an_unused_session_is_over_after_half_an_hour(house: Membership, person: str) -> None:
    tokens = signed_in(house)
    house.clock.advance(1799)
    tokens = refresh(house, tokens["refresh_token"]).get_json()

    house.clock.advance(1800)

    refused_grant(refresh(house, tokens["refresh_token"]))


def test_a_busy_session_is_over_after_twelve_hours_and_its_last_token_with_it(house: Membership, person: str) -> None:
    # given a session in use for eleven hours and fifty-five minutes
    tokens = signed_in(house)
    for _ in range(143):
        house.clock.advance(300)
        tokens = refresh(house, tokens["refresh_token"]).get_json()

    # then neither token reaches beyond the limit
    assert (tokens["expires_in"], tokens["refresh_expires_in"]) == (300, 300)
    house.clock.advance(300)
    refused_grant(refresh(house, tokens["refresh_token"]))


# ---------------------------------------------------------------- signing out


def test_signing_out_ends_the_session_and_says_the_same_of_any_token(house: Membership, person: str) -> None:
    tokens = signed_in(house)

    def revoke(token: str, **form: str) -> Any:
        return house.web.post("/oauth/revoke", data={"token": token, "client_id": "console", **form})

    answers = [
        revoke("0" * 64),
        revoke(tokens["refresh_token"], client_id="another"),
        revoke(tokens["access_token"][:50]),
    ]
    assert end_reasons(house) == [None]
    answers += [revoke(tokens["refresh_token"], token_type_hint="refresh_token"), revoke(tokens["refresh_token"])]

    assert [(each.status_code, each.data) for each in answers] == [(200, b"")] * 5
    assert end_reasons(house) == ["signed_out"]
    refused_grant(refresh(house, tokens["refresh_token"]))
    refused(house.web.get("/me", headers=bearing(tokens)), 401, "session.ended")


def test_whoever_has_the_refresh_token_may_sign_out_without_naming_the_application(
    house: Membership, person: str
) -> None:
    tokens = signed_in(house)

    assert house.web.post("/oauth/revoke", data={"token": tokens["refresh_token"]}).status_code == 200

    assert end_reasons(house) == ["signed_out"]


def test_a_revocation_that_is_none_is_refused_in_oauths_words(house: Membership) -> None:
    refused_grant(house.web.post("/oauth/revoke", data={}), "invalid_request")
    refused_grant(house.web.post("/oauth/revoke", data={"token": ["a", "b"]}), "invalid_request")
    refused_grant(house.web.post("/oauth/revoke", json={"token": "a"}), "invalid_request")


def test_a_person_sees_their_sessions_and_which_one_this_is(house: Membership, person: str) -> None:
    first = signed_in(house)
    house.clock.advance(60)
    second = signed_in(house)
    open_staff_account(house, "treasurer", username="another")
    signed_in(house, username="another")

    listed = house.web.get("/me/sessions", headers=bearing(second)).get_json()["items"]

    assert [each["current"] for each in listed] == [True, False]
    assert set(listed[0]) == {"session_id", "client_id", "started_at", "used_at", "expires_at", "current"}
    assert listed[1]["started_at"] < listed[0]["started_at"]
    plain = house.web.get("/me/sessions", headers=bearing(house.sign_in("li.wei", PASSWORD).get_json()))
    assert [each["current"] for each in plain.get_json()["items"]] == [False, False]
    assert claims_of(house, first).session_id == listed[1]["session_id"]


def test_one_session_can_be_ended_from_another(house: Membership, person: str) -> None:
    lost, here = signed_in(house), signed_in(house)
    session_id = claims_of(house, lost).session_id

    for _ in range(2):
        assert house.web.delete(f"/me/sessions/{session_id}", headers=bearing(here)).status_code == 204

    refused_grant(refresh(house, lost["refresh_token"]))
    assert house.web.get("/me", headers=bearing(here)).status_code == 200
    assert len(house.web.get("/me/sessions", headers=bearing(here)).get_json()["items"]) == 1


def test_nobody_ends_anothers_session(house: Membership, person: str) -> None:
    mine = signed_in(house)
    open_staff_account(house, "treasurer", username="another")
    theirs = bearing(signed_in(house, username="another"))

    session_id = claims_of(house, mine).session_id
    refused(house.web.delete(f"/me/sessions/{session_id}", headers=theirs), 404, "session.not_found")
    refused(house.web.delete("/me/sessions/none", headers=theirs), 404, "session.not_found")
    refused(house.web.delete(f"/me/sessions/{session_id}"), 401, "access.token_missing")

    assert refresh(house, mine["refresh_token"]).status_code == 200


def test_signing_out_everywhere_ends_all_sessions_of_the_person_and_no_others(house: Membership, person: str) -> None:
    first, second = signed_in(house), signed_in(house)
    open_staff_account(house, "treasurer", username="another")
    other = signed_in(house, username="another")

    assert house.web.delete("/me/sessions", headers=bearing(first)).status_code == 204

    for tokens in (first, second):
        refused_grant(refresh(house, tokens["refresh_token"]))
        for method, path in (("GET", "/me"), ("GET", "/me/sessions"), ("DELETE", "/me/sessions")):
            refused(house.web.request(method, path, headers=bearing(tokens)), 401, "session.ended")
    assert refresh(house, other["refresh_token"]).status_code == 200


def test_closing_an_account_ends_its_sessions_at_once(house: Membership, person: str) -> None:
    tokens = signed_in(house)
    plain = house.sign_in("li.wei", PASSWORD).get_json()

    house.web.delete(f"/accounts/{person}", headers=house.staff("operator"))

    assert end_reasons(house) == ["account_closed"]
    refused_grant(refresh(house, tokens["refresh_token"]))
    for each in (tokens, plain):
        refused(house.web.get("/me", headers=bearing(each)), 401, "session.ended")


def test_closing_an_account_while_it_signs_in_leaves_no_session(house: Membership, person: str) -> None:
    code = Visitor(house).code()
    tokens = signed_in(house)
    calls: list[Callable[[], Any]] = [
        lambda: exchange(house, code),
        lambda: refresh(house, tokens["refresh_token"]),
        lambda: house.web.delete(f"/accounts/{person}", headers=house.staff("operator")),
    ]

    assert at_once(*calls)[2].status_code == 204

    assert None not in end_reasons(house)


def test_what_has_run_out_is_dropped(house: Membership, person: str) -> None:
    Visitor(house).code()
    tokens = signed_in(house)
    refresh(house, tokens["refresh_token"])
    names = ("authorization_codes", "person_sessions", "spent_refresh_tokens")
    assert [house.stored()[name] for name in names] == [1, 1, 1]

    house.clock.advance(60)
    prune(house.assembly)
    assert [house.stored()[name] for name in names] == [0, 1, 1]

    house.clock.advance(43_200)
    prune(house.assembly)
    assert [house.stored()[name] for name in names] == [0, 0, 0]
