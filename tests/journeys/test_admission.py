"""The one chain everything is judged by, and every way it can go otherwise (art. 6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.journeys.alliance import COMMITTEE, GENERAL_MEETING, Alliance, Application

#: The chain's events with the article that governs each, in the order in which they must happen.
CHAIN = [
    ("membership.application.submitted", "6(1)"),
    ("membership.application.accepted", "11"),
    ("meetings.ballot.opened", "6(2)"),
    ("meetings.ballot.closed", "6(2)"),
    ("membership.admission.approved", "6(2)"),
    ("meetings.ballot.opened", "6(3)"),
    ("meetings.ballot.closed", "6(3)"),
    ("membership.member.admitted", "6(3)"),
]
#: What follows from the admission, in no order of their own.
AFTERWARDS = [("membership.account.opened", "7(1)"), ("finance.account.opened", "18")]


def reviewed(alliance: Alliance, **changes: Any) -> Application:
    """An application before the general meeting: handed in, accepted, passed by the committee."""
    application = alliance.apply(**changes)
    alliance.accept(application)
    alliance.decide(application, COMMITTEE)
    alliance.wait_for_state(application, "approved")
    return application


def on_roster(alliance: Alliance, application: Application) -> list[dict[str, Any]]:
    """The roster entries of the applicant: one or none."""
    return [each for each in alliance.members() if each["unit_name"] == application.form["unit_name"]]


def test_fewer_than_half_in_favour_is_refused(alliance: Alliance) -> None:
    """Seven of fifteen on the alliance that tests found."""
    application = reviewed(alliance)
    size = len(alliance.roll(GENERAL_MEETING))

    ballot = alliance.decide(application, GENERAL_MEETING, yes=(size - 1) // 2)

    assert ballot["result"]["outcome"] == "refused"
    assert 2 * ballot["result"]["yes"] < ballot["roll_size"]
    view = alliance.wait_for_state(application, "refused")
    assert view["member_id"] is None
    assert on_roster(alliance, application) == []


def test_an_applicant_is_admitted_and_everybody_who_should_know_is_told(alliance: Alliance) -> None:
    # Given the secretary has subscribed by every channel that can be watched here
    sinks = alliance.deployment.sinks
    types = ["membership.member.admitted", "meetings.ballot.*"]
    # New in every run: a deployment that stands has the subscriptions of earlier ones, and refuses them a second time.
    run = abs(hash(alliance.deployment.how))
    mailbox, hook_path = f"secretary-{run}@lianmeng.example", f"/admitted-{run}"
    alliance.subscribe(alliance.secretary, "inbox", types)
    if sinks.mail is not None:
        alliance.subscribe(alliance.secretary, "email", types, mailbox)
    hook = None
    if sinks.webhooks is not None:
        hook = alliance.subscribe(alliance.secretary, "webhook", types, sinks.webhooks.url(hook_path))

    # When a unit applies, is asked and answers, is accepted, reviewed and voted on
    application = alliance.apply()
    path = f"membership/v1/applications/{application.application_id}"
    question = alliance.secretary.post(f"{path}/questions", {"text": "How many people work for you?"})
    answer = {"question_id": question["question_id"], "text": "Forty-two.", "corrections": {"headcount": 42}}
    alliance.request("POST", f"{path}/answers", json=answer, headers=application.headers, expect=201)
    alliance.accept(application)
    committee = alliance.decide(application, COMMITTEE)
    meeting = alliance.decide(application, GENERAL_MEETING)
    member = alliance.welcome(application)

    # Then it stands on the roster with number, date and the ballot that admitted it
    assert len(on_roster(alliance, application)) == 1
    assert member["number"]
    assert member["admitted_at"]
    assert member["ballot_id"] == meeting["ballot_id"]
    view = alliance.view(application)
    assert view["form"]["headcount"] == 42
    assert {each["ballot_id"] for each in view["ballots"]} == {committee["ballot_id"], meeting["ballot_id"]}
    # and finance keeps an account for it, empty and in fen
    account = alliance.account_of(member["member_id"])
    assert (account["balance_fen"], account["currency"]) == (0, "CNY")
    # and its representative can sign in and act for it
    me = alliance.representative(member["member_id"]).get("membership/v1/me")
    assert me["member"]["member_id"] == member["member_id"]
    assert me["roles"] == ["representative"]
    # and the whole story can be read as one timeline, in order, with the articles
    expected = [
        *CHAIN,
        *AFTERWARDS,
        ("membership.application.questioned", "11"),
        ("membership.application.answered", "11"),
    ]
    entries = alliance.wait_for_timeline(view["correlation_id"], [event_type for event_type, _ in expected])
    told = [(entry["type"], entry["article"]) for entry in entries]
    assert [step for step in told if step in CHAIN] == CHAIN
    assert [told.count(step) for step in expected] == [1] * len(expected)
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    # and every subscription was served once per event
    _expect_deliveries(alliance, application, view["correlation_id"], hook, hook_path, mailbox)


def _expect_deliveries(
    alliance: Alliance, application: Application, story: str, hook: Any, hook_path: str, mailbox: str
) -> None:
    sinks = alliance.deployment.sinks
    wanted = sorted(["membership.member.admitted", *["meetings.ballot.opened", "meetings.ballot.closed"] * 2])

    def inbox() -> list[str]:
        items = alliance.secretary.pages("notifications/v1/inbox")
        return sorted(each["type"] for each in items if each["correlation_id"] == story)

    alliance.wait(lambda: inbox() == wanted, "one note in the inbox for each event")
    if sinks.mail is not None:
        mail = sinks.mail
        alliance.wait(lambda: len(mail.mails(mailbox)) >= len(wanted), "the e-mails")
        assert len(mail.mails(mailbox)) == len(wanted)
        assert any(application.form["unit_name"] in each.text for each in mail.mails(mailbox))
    if sinks.webhooks is not None:
        webhooks = sinks.webhooks
        alliance.wait(lambda: len(webhooks.hooks(hook_path)) >= len(wanted), "the webhooks")
        received = [each.verified(hook["secret"]) for each in webhooks.hooks(hook_path)]
        assert sorted(each["type"] for each in received) == wanted


def test_the_committee_refuses(alliance: Alliance) -> None:
    application = alliance.apply()
    alliance.accept(application)

    ballot = alliance.decide(application, COMMITTEE, yes=0)

    assert ballot["result"]["outcome"] == "refused"
    view = alliance.wait_for_state(application, "refused")
    assert [each["body"] for each in view["ballots"]] == [COMMITTEE]
    assert on_roster(alliance, application) == []
    entries = alliance.wait_for_timeline(view["correlation_id"], ["membership.admission.refused"])
    happened = [entry["type"] for entry in entries if not entry["type"].startswith("notifications.")]
    assert happened[-1] == "membership.admission.refused"
    assert [each["body"] for each in alliance.ballots(application)] == [COMMITTEE], "no general meeting is asked"


def test_the_general_meeting_refuses(alliance: Alliance) -> None:
    application = reviewed(alliance)

    alliance.decide(application, GENERAL_MEETING, yes=1)

    view = alliance.wait_for_state(application, "refused")
    assert view["member_id"] is None
    assert on_roster(alliance, application) == []


def test_exactly_half_in_favour_passes_and_the_result_says_why(alliance: Alliance) -> None:
    if len(alliance.roll(GENERAL_MEETING)) % 2:
        alliance.admit()
    application = reviewed(alliance)
    size = len(alliance.roll(GENERAL_MEETING))
    assert size % 2 == 0

    ballot = alliance.decide(application, GENERAL_MEETING, yes=size // 2)

    assert ballot["result"]["outcome"] == "passed"
    assert ballot["result"]["on_the_bound"] is True
    assert ballot["rule"]["article"] == "6(3)"
    assert (ballot["rule"]["numerator"], ballot["rule"]["denominator"], ballot["rule"]["inclusive"]) == (1, 2, True)
    explanation = " ".join(line["text"] for line in ballot["result"]["explanation"])
    assert str(size // 2) in explanation
    assert str(size) in explanation
    assert "6(3)" in explanation
    member = alliance.welcome(application)
    assert on_roster(alliance, application)[0]["member_id"] == member["member_id"]


@pytest.mark.parametrize("stage", ["submitted", "accepted", "approved"])
def test_an_applicant_withdraws_midway(alliance: Alliance, stage: str) -> None:
    application = alliance.apply() if stage != "approved" else reviewed(alliance)
    if stage == "accepted":
        alliance.accept(application)
    body = {"accepted": COMMITTEE, "approved": GENERAL_MEETING}.get(stage)
    if body:
        alliance.ballot(application, body)

    alliance.withdraw(application)

    assert alliance.view(application)["state"] == "withdrawn"
    if body:
        ballot = alliance.wait(
            lambda: next((each for each in alliance.ballots(application) if each["state"] == "cancelled"), None),
            "the ballot being cancelled",
        )
        assert ballot is not None
        refused = alliance.vote(ballot["ballot_id"], alliance.roll(body)[0], "yes", expect=409)
        assert refused["status"] == 409
    path = f"membership/v1/applications/{application.application_id}/withdrawal"
    answer = alliance.request("POST", path, json={}, headers=application.headers, expect=409)
    assert answer.json()["code"] == "application.already_decided"
    assert on_roster(alliance, application) == []


def test_two_applications_at_once_do_not_get_into_each_others_way(alliance: Alliance) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: alliance.apply(), range(2))
        for each in (first, second):
            alliance.accept(each)
        list(pool.map(lambda each: alliance.decide(each, COMMITTEE), (first, second)))
        ballots = [alliance.ballot(each, GENERAL_MEETING) for each in (first, second)]
        size = ballots[0]["roll_size"]
        assert ballots[1]["roll_size"] == size
        list(pool.map(lambda each: alliance.decide(each, GENERAL_MEETING), (first, second)))
    members = [alliance.welcome(each) for each in (first, second)]

    assert members[0]["number"] != members[1]["number"]
    assert members[0]["member_id"] != members[1]["member_id"]
    stories = [alliance.view(each)["correlation_id"] for each in (first, second)]
    assert stories[0] != stories[1]
    assert len({alliance.account_of(each["member_id"])["code"] for each in members}) == 2


def test_a_member_admitted_later_cannot_vote_in_an_older_ballot(alliance: Alliance) -> None:
    older = reviewed(alliance)
    ballot = alliance.ballot(older, GENERAL_MEETING)
    roll = alliance.roll_of(ballot)
    _, newcomer = alliance.admit()

    refused = alliance.vote(ballot["ballot_id"], newcomer["member_id"], "no", expect=403)

    assert refused["code"] == "vote.not_on_roll"
    alliance.cast(ballot["ballot_id"], [(unit, "yes") for unit in roll])
    closed = alliance.closed(ballot["ballot_id"])
    assert closed["roll_size"] == len(roll)
    assert (closed["result"]["yes"], closed["result"]["no"]) == (len(roll), 0)
    alliance.welcome(older)


def test_a_unit_that_applies_twice_is_told_so(alliance: Alliance) -> None:
    application = alliance.apply()

    again = alliance.request("POST", "membership/v1/applications", json=dict(application.form), expect=409)

    assert again.json()["code"] == "application.duplicate"
    alliance.withdraw(application)
