"""Tokens: issued by membership, believed by the others on their own, through rotation and while membership is away."""

from __future__ import annotations

import pytest

from tests.deployment import Distributed
from tests.journeys.alliance import Alliance, Answer, Person

#: A request to each service that a signed-in secretary may make.
LOOKS = ("membership/v1/members", "meetings/v1/ballots", "finance/v1/accounts", "notifications/v1/inbox")


def test_a_wrong_password_is_refused_like_an_unknown_name(alliance: Alliance) -> None:
    answers = [
        alliance.request("POST", "membership/v1/sessions", json={"username": name, "password": "wrong-password-here"})
        for name in ("authority", "nobody-by-this-name")
    ]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json()["code"] == answers[1].json()["code"]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


def test_an_announced_key_changes_nothing_for_those_who_are_signed_in(alliance: Alliance) -> None:
    url = "membership/.well-known/jwks.json"
    before = {key["kid"] for key in alliance.request("GET", url, expect=200).json()["keys"]}
    headers = alliance.secretary.headers
    answer = alliance.request("POST", "membership/v1/signing-keys", headers=alliance.operator.headers)
    assert answer.status_code in {201, 409}, "409: a rotation is under way already"

    for _ in range(5):
        for path in LOOKS:
            alliance.request("GET", path, headers=headers, expect=200)
        fresh = Person(alliance, "secretary")
        for path in LOOKS:
            fresh.get(path)

    after = {key["kid"] for key in alliance.request("GET", url, expect=200).json()["keys"]}
    assert before <= after
    assert len(after) >= 2
    assert all(set(key) == {"kty", "crv", "x", "kid", "alg", "use"} for key in
               alliance.request("GET", url, expect=200).json()["keys"])  # fmt: skip


def test_a_platform_gets_a_token_and_only_what_its_scopes_allow(alliance: Alliance) -> None:
    client = alliance.secretary.post(
        "membership/v1/clients", {"name": "County platform", "scopes": ["roster:read", "ballots:read"]}
    )
    answer = alliance.request(
        "POST",
        "membership/v1/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(client["client_id"], client["client_secret"]),
        expect=200,
    )
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    assert alliance.request("GET", "membership/v1/members", headers=headers).status_code == 200
    assert alliance.request("GET", "meetings/v1/ballots", headers=headers).status_code == 200
    assert alliance.request("GET", "finance/v1/accounts", headers=headers).status_code == 403
    refused = alliance.request(
        "POST",
        "membership/v1/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(client["client_id"], "0" * 64),
    )
    assert refused.status_code == 401
    assert refused.json()["error"] == "invalid_client"


@pytest.mark.rabbitmq
@pytest.mark.postgresql
def test_tokens_are_believed_while_membership_is_down(
    distributed_alliance: Alliance, distributed_deployment: Distributed
) -> None:
    alliance, deployment = distributed_alliance, distributed_deployment
    headers = alliance.secretary.headers
    deployment.web("membership").kill()
    deployment.worker("membership").kill()
    try:
        for path in LOOKS[1:]:
            alliance.request("GET", path, headers=headers, expect=200)
        for service in ("meetings", "finance", "notifications"):
            # Also by a process that starts while membership is away: the keys are in its own database.
            deployment.web(service).stop()
            deployment.launch_web(service)
            deployment.wait_until_ready(service)
        for path in LOOKS[1:]:
            alliance.request("GET", path, headers=headers, expect=200)
    finally:
        deployment.launch_web("membership")
        deployment.launch_worker("membership")
        deployment.wait_until_ready("membership")
    with pytest.raises(Answer):
        alliance.request("GET", LOOKS[1], expect=200)
