"""The demo's story: a unit applies, is asked, voted on twice and admitted, everything over real HTTP.

It does what people would do, in their roles, and waits for what follows by asking the APIs. It asserts nothing about
the end; `outcome.py` looks at what is there afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from deploy.embedded.api_client import Api
from deploy.embedded.sinks import MailSink, WebhookSink
from deploy.embedded.teller import Step, Teller

#: The unit that applies. Invented; the credit code's check digits are right, its "DEM" belongs to nobody.
APPLICANT_CODE = "91430204DEM001017F"
APPLICANT_PASSWORD = "quiet-river-crossing-7"  # noqa: S105 - the demo shows it to everybody
SECRETARY = "secretary"
TREASURER = "treasurer"
#: Sign-ins at the same time: a hash keeps a core busy for tens of milliseconds.
SIGN_INS_AT_ONCE = 4
#: What the secretariat follows in its inbox.
INBOX_TYPES = ("membership.application.*", "membership.admission.*", "membership.member.*", "meetings.ballot.*")
#: Of the members: the director's representative, and one who holds no office. They follow ballots and new members.
FOLLOWERS = ("centre", "yanling")
FOLLOWERS_TYPES = ("meetings.ballot.*", "membership.member.*")
#: Lines of a result's explanation that the API gives and the story leaves out, to keep to what decided.
LINES_LEFT_OUT = frozenset({"explanation.silent.quorum", "explanation.silent.voting_days", "explanation.quorum.off"})

COMMITTEE = "executive_committee"
GENERAL_MEETING = "general_meeting"


@dataclass(frozen=True)
class Cast:
    """Who plays: the staff, the representative of every unit by member id, and those of them who follow along."""

    secretary: Api
    treasurer: Api
    voters: Mapping[str, Api]
    followers: Sequence[Api]
    committee: frozenset[str]


@dataclass(frozen=True)
class Admission:
    """What the story leaves behind, and where to look it up."""

    application_id: str
    correlation_id: str
    member_id: str
    number: str
    webhook_secret: str


class Story:
    """Plays once."""

    def __init__(self, visitor: Api, teller: Teller, password: str, mail: MailSink, hooks: WebhookSink) -> None:
        self._visitor = visitor
        self._clock = visitor.clock
        self._teller = teller
        self._password = password
        self._mail = mail
        self._hooks = hooks

    def play(self) -> tuple[Cast, Admission]:
        """From the application to the new representative's sign-in. Raises ApiRefused or WaitedInVain."""
        cast = self._sign_everybody_in()
        webhook_secret = self._subscribe(cast)
        applicant, application_id = self._apply()
        self._ask_and_answer(cast, applicant, application_id)
        self._accept(cast, application_id)
        self._review(cast, application_id)
        self._vote(cast, application_id)
        member = self._enter_on_roster(cast, applicant, application_id)
        self._open_member_account(cast, member["member_id"])
        self._activate(member["number"], applicant.application_code)
        application = cast.secretary.get(f"membership/v1/applications/{application_id}")
        return cast, Admission(
            application_id, application["correlation_id"], member["member_id"], member["number"], webhook_secret
        )

    def _sign_everybody_in(self) -> Cast:
        started = self._clock.monotonic()
        secretary = self._visitor.signed_in(SECRETARY, self._password)
        accounts = secretary.get("membership/v1/accounts", limit=100)["items"]
        usernames = {each["member_id"]: each["username"] for each in accounts if each["member_id"]}
        with ThreadPoolExecutor(SIGN_INS_AT_ONCE) as pool:
            people = [TREASURER, *usernames.values()]
            treasurer, *voters = pool.map(lambda name: self._visitor.signed_in(name, self._password), people)
        offices = secretary.get("membership/v1/offices")["items"]
        committee = frozenset(each["member_id"] for each in offices if each["body"] == COMMITTEE)
        self._tell("story.signed_in", "membership", "7(1)", started, people=len(people) + 1)
        followers = [voter for name, voter in zip(people[1:], voters, strict=True) if name in FOLLOWERS]
        return Cast(secretary, treasurer, dict(zip(usernames, voters, strict=True)), followers, committee)

    def _subscribe(self, cast: Cast) -> str:
        """The secretariat follows every step in its inbox, and the result by all channels; gives the hook's secret.

        Two members follow in their inboxes, so that nobody who looks around afterwards finds all of them empty.
        """
        started = self._clock.monotonic()
        path = "notifications/v1/subscriptions"
        everything = {"event_types": list(INBOX_TYPES), "language": self._visitor.language}
        cast.secretary.post(path, {**everything, "channel": "inbox"})
        result = {"event_types": ["membership.member.admitted"], "language": self._visitor.language}
        cast.secretary.post(path, {**result, "channel": "email", "target": "secretariat@lianmeng.example"})
        hook = cast.secretary.post(path, {**result, "channel": "webhook", "target": self._hooks.url})
        for follower in cast.followers:
            wish = {"event_types": list(FOLLOWERS_TYPES), "language": self._visitor.language, "channel": "inbox"}
            follower.post(path, wish)
        self._tell("story.subscribed", "notifications", "", started)
        return str(hook["secret"])

    def _apply(self) -> tuple[Api, str]:
        started = self._clock.monotonic()
        form = application_form(self._teller)
        receipt = self._visitor.post("membership/v1/applications", form)
        details = [self._teller.say("story.private_link", url=receipt["status_url"])]
        self._tell(
            "story.applied", "membership", "6(1)", started, details, unit=form["unit_name"], number=receipt["number"]
        )
        return self._visitor.with_application_code(receipt["access_code"]), receipt["application_id"]

    def _ask_and_answer(self, cast: Cast, applicant: Api, application_id: str) -> None:
        path = f"membership/v1/applications/{application_id}"
        started = self._clock.monotonic()
        text = self._teller.say("story.question")
        question = cast.secretary.post(f"{path}/questions", {"text": text})
        self._tell("story.questioned", "membership", "11", started, [text])

        started = self._clock.monotonic()
        asked = applicant.get(path)["questions"][-1]["question_id"]
        assert asked == question["question_id"], "the applicant sees the question that was asked"
        text = self._teller.say("story.answer")
        applicant.post(f"{path}/answers", {"question_id": asked, "text": text, "corrections": {"headcount": 38}})
        self._tell("story.answered", "membership", "11", started, [text])

    def _accept(self, cast: Cast, application_id: str) -> None:
        started = self._clock.monotonic()
        path = f"membership/v1/applications/{application_id}/acceptance"
        cast.secretary.post(path, {"confirm_warnings": False})
        self._tell("story.accepted", "membership", "11", started)

    def _review(self, cast: Cast, application_id: str) -> None:
        """The committee: six of seven seats in favour."""
        voters = [cast.voters[member_id] for member_id in sorted(cast.committee)]
        choices = ["yes"] * (len(voters) - 1) + ["abstain"]
        ballot_id = self._opened(cast, application_id, COMMITTEE)
        self._decide(ballot_id, voters, choices, "story.review_passed", "6(2)")

    def _vote(self, cast: Cast, application_id: str) -> None:
        """The general meeting: exactly half in favour, the case in which the charter's wording decides."""
        voters = list(cast.voters.values())
        half = (len(voters) + 1) // 2
        against = (len(voters) - half) // 2
        choices = ["yes"] * half + ["no"] * against + ["abstain"] * (len(voters) - half - against)
        ballot_id = self._opened(cast, application_id, GENERAL_MEETING)
        self._decide(ballot_id, voters, choices, "story.vote_passed", "6(3)")

    def _opened(self, cast: Cast, application_id: str, body: str) -> str:
        """Wait for the ballot that opens by itself."""
        started = self._clock.monotonic()

        def look() -> dict[str, Any] | None:
            found = cast.secretary.get("meetings/v1/ballots", body=body, application_id=application_id)["items"]
            return found[0] if found else None

        ballot = self._visitor.wait(f"ballot of {body}", look)
        article = {COMMITTEE: "6(2)", GENERAL_MEETING: "6(3)"}[body]
        self._tell(f"story.opened.{body}", "meetings", article, started, roll=ballot["roll_size"])
        return str(ballot["ballot_id"])

    def _decide(self, ballot_id: str, voters: Sequence[Api], choices: Sequence[str], code: str, article: str) -> None:
        started = self._clock.monotonic()
        path = f"meetings/v1/ballots/{ballot_id}"
        for voter, choice in zip(voters, choices, strict=True):
            voter.post(f"{path}/votes", {"choice": choice})
        cast_in_ms = (self._clock.monotonic() - started) * 1000

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] | None = voters[0].get(path)["result"]
            return found

        result = self._visitor.wait("the ballot's result", look)
        told = {name: result[name] for name in ("yes", "no", "abstain")}
        details = [line["text"] for line in result["explanation"] if line["code"] not in LINES_LEFT_OUT]
        self._tell(code, "meetings", article, started, details, **told, votes=len(voters), votes_ms=round(cast_in_ms))

    def _enter_on_roster(self, cast: Cast, applicant: Api, application_id: str) -> dict[str, Any]:
        started = self._clock.monotonic()

        def look() -> str | None:
            member_id: str | None = applicant.get(f"membership/v1/applications/{application_id}")["member_id"]
            return member_id

        member_id = self._visitor.wait("the roster entry", look)
        member: dict[str, Any] = cast.secretary.get(f"membership/v1/members/{member_id}")
        self._tell("story.admitted", "membership", "6(3)", started, unit=member["unit_name"], number=member["number"])
        return member

    def _open_member_account(self, cast: Cast, member_id: str) -> None:
        started = self._clock.monotonic()
        path = f"finance/v1/members/{member_id}/account"
        account: dict[str, Any] = self._visitor.wait("the finance account", lambda: cast.treasurer.get(path))
        self._tell("story.account_opened", "finance", "18", started, account=account["code"])

    def _activate(self, number: str, invitation_code: str) -> None:
        """The applicant's representative sets a password with the private link's code, and signs in."""
        started = self._clock.monotonic()
        body = {"username": number, "invitation_code": invitation_code, "password": APPLICANT_PASSWORD}
        self._visitor.wait("the invitation", lambda: self._visitor.post("membership/v1/accounts/activation", body))
        me = self._visitor.signed_in(number, APPLICANT_PASSWORD).get("membership/v1/me")
        self._tell("story.activated", "membership", "7(1)", started, name=me["name"], number=number)

    def _tell(
        self,
        code: str,
        service: str,
        article: str,
        started: float,
        details: Sequence[str] = (),
        **params: object,
    ) -> None:
        elapsed_ms = (self._clock.monotonic() - started) * 1000
        self._teller.step(Step(code, service, article, elapsed_ms, params, tuple(details)))


def application_form(teller: Teller) -> dict[str, Any]:
    """The applicant's form."""
    return {
        "unit_name": "株洲演示数字化转型服务有限公司",
        "credit_code": APPLICANT_CODE,
        "kind": "service_institution",
        "county": "shifeng",
        "legal_representative": {"name": "向明远", "title": "董事长"},
        "representative": {
            "name": "苏映雪",
            "title": "总经理",
            "mobile": "13800000000",
            "email": "representative@applicant.example",
        },
        "address": "株洲市石峰区铜塘湾路 18 号",
        "phone": "0731-28680061",
        "website": "https://applicant.example",
        "established_on": "2021-06-01",
        "headcount": 36,
        "main_business": teller.say("story.form.main_business"),
        "introduction": teller.say("story.form.introduction"),
        "reason": teller.say("story.form.reason"),
        "service_fields": [teller.say("story.form.service_field")],
        "recommender": "株洲轨道交通装备产业窗口平台（演示）",
        "charter_pledge": True,
    }
