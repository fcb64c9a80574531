"""Applications on their way through an alliance that runs: handed in and moved on over the API, as others would.

For tests of what pages show of them, and votes by clicks. Counts nothing and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deploy.embedded.api_client import Api, ApiRefused
from tests.builders.console import PASSWORD, Office, Page, Visitor
from tests.builders.new_units import new_unit_form
from tests.waiting import wait_until

COMMITTEE_BODY = "executive_committee"
GENERAL_MEETING = "general_meeting"
#: Who speaks for the committee's seven seats, and for the other members (deploy/demo/founding.yaml).
COMMITTEE = ("centre", "window", "guidao", "tianyuan", "liling", "youxian", "tianyi")
OTHERS = (
    "lusong", "hetang", "shifeng", "lukou", "chaling", "yanling", "gaoxin", "jingkai", "taoci", "hejin", "fushi",
    "jinshan", "wantang", "zhichan", "kuaiji", "danbao", "renli",
)  # fmt: skip


@dataclass
class Case:
    """One application."""

    office: Office
    secretary: Api
    application_id: str
    unit_name: str
    access_code: str

    @property
    def page(self) -> str:
        """Where the console shows it."""
        return f"/applications/{self.application_id}"

    @property
    def _path(self) -> str:
        return f"membership/v1/applications/{self.application_id}"

    def get(self) -> Any:
        """As the secretariat sees it."""
        return self.secretary.get(self._path)

    def ask(self, text: str = "请说明职工人数。") -> str:
        """A question of the secretariat; its id."""
        return str(self.secretary.post(f"{self._path}/questions", {"text": text})["question_id"])

    def answer(self, question_id: str, text: str = "现有 42 人。", **corrections: Any) -> None:
        """The applicant's answer."""
        body = {"question_id": question_id, "text": text, "corrections": corrections or None}
        self.office.api.with_application_code(self.access_code).post(f"{self._path}/answers", body)

    def withdraw(self) -> None:
        """The applicant withdraws."""
        self.office.api.with_application_code(self.access_code).post(f"{self._path}/withdrawal", {})

    def accept(self) -> str:
        """Laid before the committee; the id of its ballot."""
        self.secretary.post(f"{self._path}/acceptance", {"confirm_warnings": True})
        return self.ballot(COMMITTEE_BODY)

    def ballot(self, body: str) -> str:
        """The id of the body's ballot, once it is open and noted with the application."""

        def look() -> str | None:
            return next((each["ballot_id"] for each in self.get()["ballots"] if each["body"] == body), None)

        return wait_until(look, f"a ballot of the {body} on {self.unit_name}")

    def vote(self, ballot_id: str, username: str, choice: str = "yes") -> None:
        """A vote that did not come over the console."""
        self.office.api.signed_in(username, PASSWORD).post(f"meetings/v1/ballots/{ballot_id}/votes", {"choice": choice})


def hand_in(office: Office, **changes: Any) -> Case:
    """A new unit's application; `changes` replace fields of its form."""
    form = new_unit_form(**changes)
    receipt = office.api.post("membership/v1/applications", form)
    secretary = office.api.signed_in("secretary", PASSWORD)
    return Case(office, secretary, receipt["application_id"], form["unit_name"], receipt["access_code"])


@dataclass
class Admitted:
    """An alliance in which one unit went all the way, and the secretariat was told of it in its inbox."""

    office: Office
    case: Case
    member_id: str
    #: The ballots that decided.
    review: str
    vote: str
    correlation_id: str

    @property
    def unit_page(self) -> str:
        """Where the console shows the unit."""
        return f"/members/{self.member_id}"

    @property
    def story(self) -> str:
        """Where the console tells how it came in."""
        return f"/timelines/{self.correlation_id}"


def admit_one(office: Office, **changes: Any) -> Admitted:
    """A question, an answer, two ballots, an account; until the last of it is in the story. On a fresh office only:
    the new unit never votes, and a later ballot would wait for it.
    """
    secretary = office.api.signed_in("secretary", PASSWORD)
    secretary.post("notifications/v1/subscriptions", {"event_types": ["*"], "channel": "inbox"})
    case = hand_in(office, **changes)
    case.answer(case.ask())
    review = case.accept()
    for username in COMMITTEE:
        case.vote(review, username)
    vote = case.ballot(GENERAL_MEETING)
    for number, username in enumerate((*COMMITTEE, *OTHERS)):
        case.vote(vote, username, "yes" if number < 12 else "no" if number < 18 else "abstain")
    seen = wait_until(lambda: case.get() if case.get()["state"] == "admitted" else None, f"{case.unit_name} admitted")
    story = f"notifications/v1/timelines/{seen['correlation_id']}"

    def is_told() -> bool:
        types = {each["type"] for each in secretary.get(story)["entries"]}
        inbox = secretary.get("notifications/v1/inbox", limit=100)["items"]
        return "finance.account.opened" in types and any(each["type"] == "finance.account.opened" for each in inbox)

    wait_until(is_told, "the whole story told", ignoring=(ApiRefused,))
    return Admitted(office, case, seen["member_id"], review, vote, seen["correlation_id"])


def vote_by_clicks(visitor: Visitor, ballot_id: str, choice: str) -> Page:
    """From a ballot's page over the confirmation to the receipt."""
    visitor.get(f"/ballots/{ballot_id}")
    confirmation = visitor.send(f"/ballots/{ballot_id}/choice", choice=choice, follow=True)
    assert confirmation.status == 200, confirmation.location
    return visitor.send(f"/ballots/{ballot_id}/vote", choice=confirmation.value("choice"), follow=True)
