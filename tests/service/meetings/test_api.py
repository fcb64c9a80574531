"""The API's edges: who may come in, what is refused by which field, how listings go on."""

from __future__ import annotations

from typing import Any

import pytest

from services.meetings import tables
from shared.security.keys import new_signing_key, public_jwk
from shared.security.tokens import AUDIENCE, sign
from tests.fixtures.assemblies import bearer
from tests.service.meetings.driver import Meetings


@pytest.fixture
def ballot(house: Meetings) -> str:
    """An open ballot among two."""
    house.admit("a", "b")
    house.approve("app-1")
    return house.ballot()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"data": "{", "content_type": "application/json"}, 400, None),
        ({"json": {}}, 422, "choice"),
        ({"json": {"choice": "maybe"}}, 422, "choice"),
        ({"json": {"choice": 1}}, 422, "choice"),
        ({"json": {"choice": None}}, 422, "choice"),
        ({"json": {"choice": "yes", "weight": 2}}, 422, "weight"),
        ({"json": ["yes"]}, 422, None),
        ({"data": "choice=yes"}, 415, None),
    ],
)
def test_bad_input_names_the_field_and_stores_nothing(
    house: Meetings, ballot: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    answer = house.vote(ballot, "a", **body)

    problem = answer.get_json()
    assert answer.status_code == status, answer.text
    assert answer.content_type.startswith("application/problem+json")
    if field is not None:
        assert field in [each["field"] for each in problem["errors"]]
    assert house.count(tables.votes) == house.count(tables.participations) == 0


@pytest.mark.parametrize("age", [601, None])
def test_a_vote_needs_a_password_of_the_last_ten_minutes(house: Meetings, ballot: str, age: int | None) -> None:
    # given a token that holds, of a password given too long ago, or of unknown age
    now = int(house.clock.now().timestamp())
    stale = bearer(house.assembly, roles=["representative"], unit_id="a", auth_time=None if age is None else now - age)

    # when it votes
    answer = house.vote(ballot, None, headers=stale, json={"choice": "yes"})

    # then it is told to have its person sign in again (RFC 9470), and nothing is stored
    assert (answer.status_code, answer.get_json()["code"]) == (401, "access.step_up_needed")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_user_authentication", max_age="600"'
    assert house.count(tables.votes) == house.count(tables.participations) == 0

    # and having done so, it votes
    fresh = bearer(house.assembly, roles=["representative"], unit_id="a", auth_time=now - 600)
    assert house.vote(ballot, None, headers=fresh, json={"choice": "yes"}).status_code == 201


def test_who_may_not_vote_is_not_told_to_sign_in_again(house: Meetings, ballot: str) -> None:
    stale = bearer(house.assembly, roles=["treasurer"], auth_time=1)

    assert house.vote(ballot, None, headers=stale, json={"choice": "yes"}).status_code == 403


def test_only_persons_who_act_for_a_unit_vote(house: Meetings, ballot: str) -> None:
    # nobody, another role, a platform, a person without a unit
    assert house.vote(ballot, None, headers={"X": "1"}, json={"choice": "yes"}).status_code == 401
    for headers in (house.headers("a", "treasurer"), house.headers(None, scope="ballots:read")):
        assert house.vote(ballot, None, headers=headers, json={"choice": "yes"}).status_code == 403
    answer = house.vote(ballot, None)

    assert (answer.status_code, answer.get_json()["code"]) == (403, "vote.no_unit")
    assert answer.get_json()["article"] == "7(1)"
    assert house.count(tables.votes) == 0


@pytest.mark.parametrize("ballot_id", ["0" * 64, "x", "%00", "%F0%9F%97%B3", "a" * 5000])
def test_an_unknown_ballot_is_not_found(house: Meetings, ballot_id: str) -> None:
    assert house.get(f"/ballots/{ballot_id}").status_code in {404, 414}
    assert house.vote(ballot_id, "a").status_code in {404, 414}


def test_reading_needs_a_token_and_a_platform_its_scope(house: Meetings, ballot: str) -> None:
    client = house.app.test_client()
    path = f"/api/meetings/v1/ballots/{ballot}"

    assert client.get(path).status_code == 401
    assert client.get(path, headers=house.headers(None, scope="roster:read")).status_code == 403
    assert client.get(path, headers=house.headers(None, scope="ballots:read")).status_code == 200
    roll = "/api/meetings/v1/roll/general_meeting"
    assert client.get(roll).status_code == 401
    assert client.get(roll, headers=house.headers(None, scope="applications:write")).status_code == 403
    assert client.get(roll, headers=house.headers(None, scope="roster:read")).status_code == 200


def test_tokens_of_a_published_key_are_believed_until_it_is_retired(house: Meetings, ballot: str) -> None:
    # given a key that membership has published
    private = new_signing_key(house.assembly.ids)
    now = int(house.clock.now().timestamp())
    claims = {"iss": house.assembly.settings.issuer, "aud": AUDIENCE, "sub": "someone", "jti": "1", "kind": "person"}
    token = sign({**claims, "iat": now, "nbf": now, "exp": now + 600, "roles": []}, private, "another-key")
    path, headers = f"/api/meetings/v1/ballots/{ballot}", {"Authorization": f"Bearer {token}"}
    client = house.app.test_client()
    assert client.get(path, headers=headers).status_code == 401

    # when it arrives, its tokens hold
    published = {"kid": "another-key", "jwk": public_jwk(private, "another-key"), "signs_from": "2026-03-02T01:00:00Z"}
    house.hear("membership.signing_key.published", "another-key", published)
    house.clock.advance(seconds=10)
    assert client.get(path, headers=headers).status_code == 200

    # when it is retired, they hold no more
    house.hear("membership.signing_key.retired", "another-key", {"kid": "another-key"})
    house.clock.advance(seconds=10)
    assert client.get(path, headers=headers).status_code == 401


def test_listings_go_on_where_they_stopped(house: Meetings) -> None:
    # given five ballots, opened one after the other
    house.admit("a", "b")
    for number in range(5):
        house.approve(f"app-{number}")
        house.pass_days(0.001)

    # when they are read two by two
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = house.get("/ballots", query_string=query).get_json()
        seen += [each["matter"]["application_id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    # then each appears once, newest first
    assert seen == [f"app-{number}" for number in (4, 3, 2, 1, 0)]


def test_listings_filter_and_refuse_unknown_filters(house: Meetings, ballot: str) -> None:
    house.vote_all(ballot, yes=["a", "b"])

    assert [each["ballot_id"] for each in house.ballots(state="closed", body="general_meeting")] == [ballot]
    assert house.ballots(state="open") == []
    assert house.ballots(body="executive_committee") == []
    for query in ({"state": "dead"}, {"body": "nobody"}, {"limit": "0"}, {"cursor": "x"}, {"colour": "red"}):
        assert house.get("/ballots", query_string=query).status_code == 422, query


def test_the_roll_shows_each_unit_with_its_seats(house: Meetings) -> None:
    house.admit("c", "a", "b")
    house.seat("a", "director")
    house.seat("a", "committee_member")

    general = house.get("/roll/general_meeting").get_json()["items"]
    committee = house.get("/roll/executive_committee").get_json()["items"]

    assert [each["unit_id"] for each in general] == ["a", "b", "c"]
    assert [(each["unit_id"], each["offices"]) for each in committee] == [("a", ["committee_member", "director"])]
    assert house.get("/roll/parliament").status_code == 404


def test_the_document_of_the_api_lists_every_route(house: Meetings) -> None:
    document = house.app.test_client().get("/api/meetings/openapi.json").get_json()

    paths = {path.removeprefix("/api/meetings/v1") for path in document["paths"]}
    assert {"/charter", "/ballots", "/ballots/{ballot_id}", "/ballots/{ballot_id}/votes", "/roll/{body}"} <= paths
