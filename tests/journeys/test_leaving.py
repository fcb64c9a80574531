"""A member leaves at will (art. 7(3)): nobody is asked, it is seen everywhere, and it may come again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.deployment import PASSWORD
from tests.journeys.alliance import COMMITTEE, GENERAL_MEETING, Alliance, Application


def leave(alliance: Alliance, member_id: str, **body: Any) -> dict[str, Any]:
    """The unit's representative says so; how the unit stands then."""
    path = f"membership/v1/members/{member_id}/withdrawal"
    answer: dict[str, Any] = alliance.representative(member_id).post(path, body, expect=200)
    return answer


def before_the_meeting(alliance: Alliance) -> tuple[Application, dict[str, Any]]:
    """An application before the general meeting, and its ballot."""
    application = alliance.apply()
    alliance.accept(application)
    alliance.decide(application, COMMITTEE)
    return application, alliance.ballot(application, GENERAL_MEETING)


def struck(alliance: Alliance, ballot_id: str) -> dict[str, Any]:
    """The ballot, once somebody has been struck from it."""

    def look() -> dict[str, Any] | None:
        ballot: dict[str, Any] = alliance.secretary.get(f"meetings/v1/ballots/{ballot_id}")
        return ballot if ballot["struck"] else None

    return alliance.wait(look, "a unit struck from the ballot")


def test_a_unit_leaves_at_once_and_every_service_knows(alliance: Alliance) -> None:
    # Given a member, an open ballot on somebody else, and what the member's people asked to be told
    joined, member = alliance.admit()
    unit_id = member["member_id"]
    person = alliance.representative(unit_id)
    alliance.subscribe(person, "inbox", ["membership.*"])
    alliance.account_of(unit_id)
    application, ballot = before_the_meeting(alliance)
    others = [unit for unit in alliance.roll_of(ballot) if unit != unit_id]
    size = alliance.request("GET", "membership/v1/alliance").json()["members"]

    # When it leaves
    token = person.headers
    left = leave(alliance, unit_id)

    # Then it is no member, and stays on record
    assert left["left_at"] is not None
    assert unit_id not in {each["member_id"] for each in alliance.members()}
    assert alliance.secretary.get(f"membership/v1/members/{unit_id}")["left_at"] == left["left_at"]
    gone = alliance.secretary.pages("membership/v1/members", status="left")
    assert unit_id in {each["member_id"] for each in gone}
    assert alliance.request("GET", "membership/v1/alliance").json()["members"] == size - 1
    # and its people are signed out, and cannot sign in
    assert alliance.request("GET", "membership/v1/me", headers=token).status_code == 401
    body = {"username": member["number"], "password": PASSWORD}
    alliance.request("POST", "membership/v1/sessions", json=body, expect=401)
    # and it is struck from the open ballot, in whose base it stays
    assert struck(alliance, ballot["ballot_id"])["roll_size"] == len(others) + 1
    path = f"meetings/v1/ballots/{ballot['ballot_id']}/votes"
    refusal = alliance.request("POST", path, json={"choice": "yes"}, headers=token, expect=403).json()
    assert refusal["code"] == "vote.unit_left"
    alliance.cast(ballot["ballot_id"], [(unit, "yes") for unit in others])
    result = alliance.closed(ballot["ballot_id"])["result"]
    assert (result["yes"], result["base"], result["not_cast"]) == (len(others), len(others) + 1, 1)
    assert {"explanation.struck"} <= {line["code"] for line in result["explanation"]}
    alliance.welcome(application)
    # and it is on no later roll
    assert unit_id not in alliance.roll(GENERAL_MEETING)
    # and its account is closed, and can be read
    account = alliance.wait(
        lambda: found if (found := alliance.account_of(unit_id))["closed_at"] else None, "the account being closed"
    )
    assert account["balance_fen"] == 0
    # and the whole reads as one story
    told = alliance.wait_for_timeline(
        left["leaving"]["correlation_id"],
        ["membership.member.left", "membership.account.closed", "finance.account.closed"],
    )
    assert ("membership.member.left", "7(3)") in {(each["type"], each["article"]) for each in told}
    # and it may apply again, and be a member under a new number
    again, member_again = alliance.admit(
        credit_code=joined.form["credit_code"], unit_name=joined.form["unit_name"] + "（重新入会）"
    )
    assert member_again["number"] != member["number"]
    assert again.application_id != joined.application_id


def test_a_ballot_that_waited_only_for_the_unit_that_leaves_is_decided(alliance: Alliance) -> None:
    _, member = alliance.admit()
    _, ballot = before_the_meeting(alliance)
    others = [unit for unit in alliance.roll_of(ballot) if unit != member["member_id"]]
    alliance.cast(ballot["ballot_id"], [(unit, "no") for unit in others])

    leave(alliance, member["member_id"])

    closed = alliance.closed(ballot["ballot_id"])
    assert (closed["ended_because"], closed["result"]["outcome"]) == ("all_voted", "refused")
    assert closed["result"]["base"] == len(others) + 1


def test_a_unit_that_will_leave_later_is_a_member_with_every_right_and_may_stay(alliance: Alliance) -> None:
    _, member = alliance.admit()
    unit_id = member["member_id"]
    day = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    path = f"membership/v1/members/{unit_id}/withdrawal"

    noted = leave(alliance, unit_id, leaves_on=day)
    listed = {each["member_id"]: each["leaves_at"] for each in alliance.members()}
    alliance.request("DELETE", path, headers=alliance.representative(unit_id).headers, expect=204)

    assert (noted["left_at"], listed[unit_id]) == (None, noted["leaves_at"])
    assert unit_id in alliance.roll(GENERAL_MEETING)
    assert alliance.secretary.get(f"membership/v1/members/{unit_id}")["leaves_at"] is None


def test_a_letter_is_recorded_by_the_secretariat_and_nobody_else_speaks_for_a_unit(alliance: Alliance) -> None:
    _, member = alliance.admit()
    _, other = alliance.admit()
    path = f"membership/v1/members/{member['member_id']}/withdrawal"

    refusal = alliance.representative(other["member_id"]).post(path, {}, expect=403)
    unnamed = alliance.secretary.post(path, {}, expect=422)
    recorded = alliance.secretary.post(path, {"reason": "letter of 3 March 2026"}, expect=200)

    assert refusal["code"] == "leaving.not_own_unit"
    assert {each["field"] for each in unnamed["errors"]} == {"reason"}
    assert recorded["leaving"]["announced_by"] == "secretariat"
    seen = alliance.representative(other["member_id"]).get(f"membership/v1/members/{member['member_id']}")
    assert seen["leaving"]["reason"] is None
