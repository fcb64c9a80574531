"""What people and programs send by mistake or on purpose: a problem that names the field, and nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared.runtime.clock import SystemClock
from shared.runtime.identifiers import Identifiers
from shared.security.keys import new_signing_key
from shared.security.tokens import AUDIENCE, sign
from tests.builders.new_units import new_unit_form
from tests.journeys.alliance import COMMITTEE, Alliance

Send = dict[str, Any]
#: Media type of RFC 9457.
PROBLEM = "application/problem+json"

_PERSON = {"name": "李晓梅", "title": "总经理", "mobile": "13907330000", "email": "li@lianmeng.example"}

FORMS: dict[str, tuple[Callable[[], Send], int, set[str]]] = {
    "malformed JSON": (lambda: _raw(b'{"unit_name": "x"'), 400, set()),
    "no JSON at all": (lambda: _raw(b"unit_name=x"), 400, set()),
    "an array": (lambda: {"json": [new_unit_form()]}, 422, set()),
    "null": (lambda: _raw(b"null"), 422, set()),
    "an empty form": (
        lambda: {"json": {}},
        422,
        {"unit_name", "credit_code", "kind", "county", "representative", "address", "reason", "charter_pledge"},
    ),
    "an unknown field": (lambda: {"json": new_unit_form(favourite_colour="red")}, 422, {"favourite_colour"}),
    "a server's field": (lambda: {"json": new_unit_form(state="admitted")}, 422, {"state"}),
    "text for a number": (lambda: {"json": new_unit_form(headcount="many")}, 422, {"headcount"}),
    "a number for a text": (lambda: {"json": new_unit_form(unit_name=7)}, 422, {"unit_name"}),
    "a text for a person": (lambda: {"json": new_unit_form(representative="Li")}, 422, {"representative"}),
    "a list for a text": (lambda: {"json": new_unit_form(reason=["because"])}, 422, {"reason"}),
    "a fraction for a whole number": (lambda: {"json": new_unit_form(headcount=1.5)}, 422, {"headcount"}),
    "an unknown kind": (lambda: {"json": new_unit_form(kind="castle")}, 422, {"kind"}),
    "an unknown county": (lambda: {"json": new_unit_form(county="atlantis")}, 422, {"county"}),
    "no pledge": (lambda: {"json": new_unit_form(charter_pledge=False)}, 422, {"charter_pledge"}),
    "a wrong mobile": (
        lambda: {"json": new_unit_form(representative={**_PERSON, "mobile": "12"})},
        422,
        {"representative.mobile"},
    ),
    "an unknown field of a person": (
        lambda: {"json": new_unit_form(representative={**_PERSON, "identity_card": "1"})},
        422,
        {"representative.identity_card"},
    ),
    "too long a name": (lambda: {"json": new_unit_form(unit_name="长" * 5_000)}, 422, {"unit_name"}),
    "a control character": (lambda: {"json": new_unit_form(unit_name="a\x00b")}, 422, {"unit_name"}),
    "a date that does not exist": (
        lambda: {"json": new_unit_form(established_on="2019-02-30")},
        422,
        {"established_on"},
    ),
    "two faults": (lambda: {"json": new_unit_form(kind="castle", county="atlantis")}, 422, {"kind", "county"}),
    "five megabytes": (lambda: {"json": new_unit_form(introduction="长" * 1_700_000)}, 413, set()),
    "another media type": (lambda: _raw(b"<form/>", "application/xml"), 415, set()),
    "broken UTF-8": (lambda: _raw(b'{"unit_name": "\xff\xfe"}'), 400, set()),
    "deep nesting": (lambda: _raw(b"[" * 20_000 + b"]" * 20_000), 400, set()),
    "NaN": (lambda: _raw(b'{"headcount": NaN}'), 400, set()),
}


def _raw(content: bytes, media_type: str = "application/json") -> Send:
    return {"content": content, "headers": {"Content-Type": media_type}}


def expect_problem(answer: httpx.Response, status: int, fields: set[str]) -> dict[str, Any]:
    """The answer is a problem of this status that names at least these fields."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["Content-Type"].startswith(PROBLEM)
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["code"]
    assert problem["title"]
    named = {each["field"] for each in problem.get("errors", [])}
    assert fields <= named, f"named {named}"
    return problem


def _count(alliance: Alliance) -> int:
    return len(alliance.secretary.pages("membership/v1/applications"))


@pytest.mark.parametrize("kind", list(FORMS), ids=lambda kind: kind.replace(" ", "_"))
def test_a_bad_application_is_refused_naming_the_field_and_not_stored(alliance: Alliance, kind: str) -> None:
    make, status, fields = FORMS[kind]
    before = _count(alliance)

    answer = alliance.request("POST", "membership/v1/applications", **make())

    expect_problem(answer, status, fields)
    assert _count(alliance) == before


def test_a_form_at_fault_names_exactly_its_faulty_fields(alliance: Alliance) -> None:
    answer = alliance.request("POST", "membership/v1/applications", json=new_unit_form(kind="castle", colour="red"))
    named = {each["field"] for each in expect_problem(answer, 422, {"colour"})["errors"]}

    assert named <= {"kind", "colour"}


def test_a_post_without_idempotency_key_is_refused(alliance: Alliance) -> None:
    headers = {"Idempotency-Key": None}

    answer = alliance.request("POST", "membership/v1/applications", json=new_unit_form(), headers=headers)

    expect_problem(answer, 400, set())


def _foreign_token() -> str:
    """A token right in everything but the key."""
    clock = SystemClock()
    ids = Identifiers(clock)
    now = int(clock.now().timestamp())
    claims = {
        "iss": "urn:lianmeng:membership",
        "aud": AUDIENCE,
        "sub": ids.new_id(),
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "jti": ids.new_id(),
        "kind": "person",
        "roles": ["secretariat", "operator", "treasurer"],
    }
    return sign(claims, new_signing_key(ids), "a-key-of-ours")


GUARDED = [
    ("GET", "membership/v1/members"),
    ("GET", "membership/v1/applications"),
    ("GET", "meetings/v1/ballots"),
    ("GET", "finance/v1/accounts"),
    ("GET", "notifications/v1/inbox"),
    ("POST", "membership/v1/signing-keys"),
    ("POST", "notifications/v1/subscriptions"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("token", ["none", "garbage", "foreign", "altered", "unsigned"])
def test_without_a_valid_token_nothing_is_shown_or_done(alliance: Alliance, method: str, path: str, token: str) -> None:
    good = alliance.secretary.token
    head, body, signature = good.split(".")
    sent = {
        "none": None,
        "garbage": "Bearer abc",
        "foreign": f"Bearer {_foreign_token()}",
        "altered": f"Bearer {head}.{body[:-2]}{'AA' if body[-2:] != 'AA' else 'BB'}.{signature}",
        "unsigned": f"Bearer eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{body}.",
    }[token]

    answer = alliance.request(method, path, headers={"Authorization": sent} if sent else {})

    expect_problem(answer, 401, set())
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_person_without_the_right_is_refused(alliance: Alliance) -> None:
    headers = alliance.treasurer.headers
    application = alliance.apply()
    path = f"membership/v1/applications/{application.application_id}"

    expect_problem(alliance.request("GET", path, headers=headers), 403, set())
    expect_problem(alliance.request("POST", f"{path}/acceptance", json={}, headers=headers), 403, set())
    expect_problem(alliance.request("POST", "membership/v1/signing-keys", headers=headers), 403, set())
    assert alliance.view(application)["state"] == "submitted"
    alliance.withdraw(application)


VOTES: dict[str, tuple[Any, int, set[str]]] = {
    "an unknown choice": ({"choice": "maybe"}, 422, {"choice"}),
    "no choice": ({}, 422, {"choice"}),
    "a weight": ({"choice": "yes", "weight": 5}, 422, {"weight"}),
    "a number": ({"choice": 1}, 422, {"choice"}),
    "somebody else's unit": ({"choice": "yes", "unit_id": "x"}, 422, {"unit_id"}),
    "a list": (["yes"], 422, set()),
}


def test_a_bad_vote_is_refused_and_the_good_one_still_counts(alliance: Alliance) -> None:
    application = alliance.apply()
    alliance.accept(application)
    ballot = alliance.ballot(application, COMMITTEE)
    units = alliance.roll_of(ballot)
    path = f"meetings/v1/ballots/{ballot['ballot_id']}/votes"
    headers = alliance.representative(units[0]).headers

    for body, status, fields in VOTES.values():
        expect_problem(alliance.request("POST", path, json=body, headers=headers), status, fields)
    answer = alliance.request(
        "POST", path.replace(ballot["ballot_id"], "0" * 64), json={"choice": "yes"}, headers=headers
    )
    expect_problem(answer, 404, set())
    expect_problem(alliance.request("POST", path, json={"choice": "yes"}), 401, set())

    assert alliance.secretary.get(f"meetings/v1/ballots/{ballot['ballot_id']}")["votes_cast"] == 0
    alliance.cast(ballot["ballot_id"], [(unit, "no") for unit in units])
    assert alliance.closed(ballot["ballot_id"])["result"]["no"] == len(units)


SUBSCRIPTIONS: dict[str, tuple[Any, set[str]]] = {
    "an unknown channel": ({"event_types": ["membership.member.admitted"], "channel": "pigeon"}, {"channel"}),
    "no types": ({"channel": "inbox"}, {"event_types"}),
    "an e-mail without address": ({"event_types": ["membership.member.admitted"], "channel": "email"}, {"target"}),
    "an unknown field": (
        {"event_types": ["membership.member.admitted"], "channel": "inbox", "priority": 1},
        {"priority"},
    ),
}


@pytest.mark.parametrize("kind", list(SUBSCRIPTIONS), ids=lambda kind: kind.replace(" ", "_"))
def test_a_bad_subscription_is_refused_naming_the_field_and_not_stored(alliance: Alliance, kind: str) -> None:
    body, fields = SUBSCRIPTIONS[kind]
    path = "notifications/v1/subscriptions"
    before = len(alliance.treasurer.pages(path))

    answer = alliance.request("POST", path, json=body, headers=alliance.treasurer.headers)

    expect_problem(answer, 422, fields)
    assert len(alliance.treasurer.pages(path)) == before


def test_the_refusal_speaks_the_callers_language(alliance: Alliance) -> None:
    form = new_unit_form(kind="castle")

    chinese = alliance.request("POST", "membership/v1/applications", json=form, headers={"Accept-Language": "zh-CN"})
    english = alliance.request("POST", "membership/v1/applications", json=form)

    assert chinese.json()["code"] == english.json()["code"]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in json.dumps(chinese.json()["errors"], ensure_ascii=False))
    assert chinese.json()["detail"] != english.json()["detail"]
