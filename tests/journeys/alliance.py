"""The alliance as its people meet it: over HTTP, in their roles, waiting for what follows by itself.

Every journey speaks through this driver, so the same journey runs on every way of running. It knows no database and
no process, copes with a roster that was there before, and leaves every ballot it opens decided.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from tests.builders.new_units import new_unit_form
from tests.deployment import PASSWORD, Deployment
from tests.waiting import DEADLINE_SECONDS, wait_until

COMMITTEE = "executive_committee"
GENERAL_MEETING = "general_meeting"
#: A token lasts 600 s; it is renewed well before.
TOKEN_SECONDS = 400.0
#: How long a request is sent again while the alliance answers that there were too many.
PATIENCE_SECONDS = 120.0
#: Requests at the same time where a journey has many to make.
AT_ONCE = 4

T = TypeVar("T")


class Answer(AssertionError):
    """An answer other than the one expected."""


@dataclass(frozen=True)
class Application:
    """What the applicant holds after handing in."""

    application_id: str
    number: str
    access_code: str
    form: Mapping[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        """The applicant's key."""
        return {"Application-Code": self.access_code}


class Person:
    """Somebody with an account; signs in when first needed, and again before the token ends."""

    def __init__(self, alliance: Alliance, username: str, password: str = PASSWORD) -> None:
        self.username = username
        self._alliance = alliance
        self._password = password
        self._token = ""
        self._signed_in_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def headers(self) -> dict[str, str]:
        """Authorization, for the requests of `Alliance`."""
        with self._lock:
            if time.monotonic() - self._signed_in_at > TOKEN_SECONDS:
                body = {"username": self.username, "password": self._password}
                answer = self._alliance.request("POST", "membership/v1/sessions", json=body, expect=200)
                self._token = answer.json()["access_token"]
                self._signed_in_at = time.monotonic()
        return {"Authorization": f"Bearer {self._token}"}

    @property
    def token(self) -> str:
        """The bare token."""
        return self.headers["Authorization"].removeprefix("Bearer ")

    def get(self, path: str, **query: Any) -> Any:
        """What `/api/<path>` answers."""
        return self._alliance.request("GET", path, params=query, headers=self.headers, expect=200).json()

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, expect: int | tuple[int, ...] = (200, 201)
    ) -> Any:
        """POST under a fresh idempotency key; the answer's JSON."""
        answer = self._alliance.request("POST", path, json=dict(body or {}), headers=self.headers, expect=expect)
        return answer.json()

    def pages(self, path: str, **query: Any) -> list[Any]:
        """All items of a paged list."""
        items: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            answer = self.get(path, limit=100, **query, **cursor)
            items += answer["items"]
            if not answer["next_cursor"]:
                return items
            cursor = {"cursor": answer["next_cursor"]}


class Alliance:
    """One running alliance."""

    def __init__(self, deployment: Deployment, http: httpx.Client) -> None:
        self.deployment = deployment
        self.http = http
        self.secretary = Person(self, "secretary")
        self.treasurer = Person(self, "treasurer")
        self.operator = Person(self, "operator")
        self._people: dict[str, Person] = {}

    # ------------------------------------------------------------ HTTP
    def request(
        self, method: str, path: str, *, expect: int | tuple[int, ...] | None = None, **kwargs: Any
    ) -> httpx.Response:
        """One request to `/api/<path>` of the service that `path` begins with; fails unless its status is expected.

        A POST gets an idempotency key of its own, unless `headers` has one, or None for none at all.
        """
        service = path.partition("/")[0]
        given: dict[str, str | None] = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        given |= {"Accept-Language": "en", **(kwargs.pop("headers", None) or {})}
        headers = {name: value for name, value in given.items() if value is not None}
        url = f"{self.deployment.urls[service]}/api/{path}"
        answer = self.http.request(method, url, headers=headers, **kwargs)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while answer.status_code == 429 and time.monotonic() < deadline:
            # A running demo limits rates, and a limited request has done nothing: we come back when we are told to.
            threading.Event().wait(float(answer.headers.get("Retry-After", "1")))
            answer = self.http.request(method, url, headers=headers, **kwargs)
        expected = (expect,) if isinstance(expect, int) else expect
        if expected is not None and answer.status_code not in expected:
            raise Answer(f"{method} {path}: {answer.status_code}, expected {expect}: {answer.text[:1000]}")
        return answer

    def wait(self, look: Callable[[], T | None], what: str, *, seconds: float = DEADLINE_SECONDS) -> T:
        """What `look` finds, once it finds something; a 404 on the way counts as nothing yet."""
        return wait_until(look, what, seconds=seconds, ignoring=(Answer,))

    # ------------------------------------------------------------ people
    def wait_until_founded(self) -> None:
        """The founding has reached every service: keys, charter, roll."""

        def complete() -> bool:
            members = self.members()
            seats = len(self.roll(COMMITTEE))
            return bool(members) and len(self.roll(GENERAL_MEETING)) == len(members) and seats > 0

        self.wait(complete, "the founding reaching meetings", seconds=60)
        for path in ("finance/v1/accounts", "notifications/v1/subscriptions"):
            self.wait(lambda path=path: self.secretary.get(path), f"answer of {path}", seconds=60)  # type: ignore[misc]
        self.wait(self._charter_is_known, "the charter reaching membership", seconds=60)

    def _charter_is_known(self) -> bool:
        # Refused either way, for the missing form or the missing charter; only the first names fields.
        bad = new_unit_form(kind="no_such_kind")
        answer = self.request("POST", "membership/v1/applications", json=bad)
        return any(each["field"] == "kind" for each in answer.json().get("errors", []))

    def members(self) -> list[dict[str, Any]]:
        """The roster."""
        return self.secretary.pages("membership/v1/members")

    def roll(self, body: str) -> list[str]:
        """The units that would vote in a ballot of the body opened now."""
        return [each["unit_id"] for each in self.secretary.pages(f"meetings/v1/roll/{body}")]

    def representative(self, unit_id: str) -> Person:
        """Who speaks for a unit."""
        if unit_id not in self._people:
            for each in self.secretary.pages("membership/v1/accounts"):
                if each["member_id"] and each["state"] == "active":
                    self._people.setdefault(each["member_id"], Person(self, each["username"]))
        assert unit_id in self._people, f"unit {unit_id} has no active account, so its ballots cannot be completed"
        return self._people[unit_id]

    # ------------------------------------------------------------ the chain
    def apply(self, **changes: Any) -> Application:
        """Hand in an application."""
        form = new_unit_form(**changes)
        receipt = self.request("POST", "membership/v1/applications", json=form, expect=201).json()
        return Application(receipt["application_id"], receipt["number"], receipt["access_code"], form)

    def accept(self, application: Application) -> None:
        """The secretariat finds the form in order."""
        self.secretary.post(
            f"membership/v1/applications/{application.application_id}/acceptance", {"confirm_warnings": False}
        )

    def withdraw(self, application: Application) -> None:
        """The applicant withdraws."""
        path = f"membership/v1/applications/{application.application_id}/withdrawal"
        self.request("POST", path, json={}, headers=application.headers, expect=200)

    def view(self, application: Application) -> dict[str, Any]:
        """The application as the secretariat sees it."""
        found: dict[str, Any] = self.secretary.get(f"membership/v1/applications/{application.application_id}")
        return found

    def wait_for_state(self, application: Application, state: str) -> dict[str, Any]:
        """The application once it is in this state."""

        def look() -> dict[str, Any] | None:
            view = self.view(application)
            return view if view["state"] == state else None

        return self.wait(look, f"application {application.number} being {state}")

    def ballot(self, application: Application, body: str) -> dict[str, Any]:
        """The body's ballot on the application, once it has opened."""
        path, query = "meetings/v1/ballots", {"body": body, "application_id": application.application_id}
        found: list[dict[str, Any]] = self.wait(
            lambda: self.secretary.get(path, **query)["items"], f"the ballot of {body} on {application.number}"
        )
        return found[0]

    def ballots(self, application: Application) -> list[dict[str, Any]]:
        """Every ballot on the application."""
        found: list[dict[str, Any]] = self.secretary.get(
            "meetings/v1/ballots", application_id=application.application_id
        )["items"]
        return found

    def vote(self, ballot_id: str, unit_id: str, choice: str, *, expect: int = 201) -> dict[str, Any]:
        """One unit votes; the answer."""
        answer: dict[str, Any] = self.representative(unit_id).post(
            f"meetings/v1/ballots/{ballot_id}/votes", {"choice": choice}, expect=expect
        )
        return answer

    def cast(self, ballot_id: str, choices: Iterable[tuple[str, str]]) -> None:
        """Several units vote, a few at the same time."""
        pairs = list(choices)
        if pairs:
            self.representative(pairs[0][0])  # looked up once, before the threads
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda pair: self.vote(ballot_id, *pair), pairs))

    def closed(self, ballot_id: str) -> dict[str, Any]:
        """The ballot once it is closed, with its result."""

        def look() -> dict[str, Any] | None:
            ballot: dict[str, Any] = self.secretary.get(f"meetings/v1/ballots/{ballot_id}")
            return ballot if ballot["result"] else None

        return self.wait(look, f"result of ballot {ballot_id}")

    def decide(self, application: Application, body: str, *, yes: int | None = None) -> dict[str, Any]:
        """Everybody on the roll votes, the first `yes` of them in favour (default: all); the closed ballot."""
        ballot = self.ballot(application, body)
        units = self.roll_of(ballot)
        in_favour = len(units) if yes is None else yes
        self.cast(ballot["ballot_id"], zip(units, yes_then_no(in_favour, len(units)), strict=True))
        return self.closed(ballot["ballot_id"])

    def roll_of(self, ballot: Mapping[str, Any]) -> list[str]:
        """The units on a ballot's roll: asked of the units themselves, since the roll now may be another."""
        units = self.roll(ballot["body"])
        if len(units) != ballot["roll_size"]:
            path = f"meetings/v1/ballots/{ballot['ballot_id']}"
            units = [unit for unit in units if self.representative(unit).get(path)["you"]["on_roll"]]
        assert len(units) == ballot["roll_size"]
        return units

    def admit(self, **changes: Any) -> tuple[Application, dict[str, Any]]:
        """The whole chain, everybody in favour; the application and the roster entry of the new member."""
        application = self.apply(**changes)
        self.accept(application)
        self.decide(application, COMMITTEE)
        self.decide(application, GENERAL_MEETING)
        return application, self.welcome(application)

    def welcome(self, application: Application) -> dict[str, Any]:
        """Wait for the admission, activate the representative's account; the roster entry.

        Every admitted unit must be able to vote, or the next general meeting could never be complete.
        """
        view = self.wait_for_state(application, "admitted")
        member: dict[str, Any] = self.secretary.get(f"membership/v1/members/{view['member_id']}")
        body = {"username": member["number"], "invitation_code": application.access_code, "password": PASSWORD}
        self.wait(
            lambda: self.request("POST", "membership/v1/accounts/activation", json=body, expect=200),
            "the new representative's account",
        )
        self._people[member["member_id"]] = Person(self, member["number"])
        self.wait(lambda: member["member_id"] in self.roll(GENERAL_MEETING), "the new member on the roll")
        return member

    # ------------------------------------------------------------ what came of it
    def account_of(self, member_id: str) -> dict[str, Any]:
        """The member's finance account, once it is open."""
        found: dict[str, Any] = self.wait(
            lambda: self.treasurer.get(f"finance/v1/members/{member_id}/account"), "the member's finance account"
        )
        return found

    def timeline(self, correlation_id: str) -> list[dict[str, Any]]:
        """Everything that happened in a story, in order."""
        found: list[dict[str, Any]] = self.secretary.get(f"notifications/v1/timelines/{correlation_id}")["entries"]
        return found

    def wait_for_timeline(self, correlation_id: str, types: Sequence[str]) -> list[dict[str, Any]]:
        """The timeline once every one of these types is in it."""

        def complete() -> list[dict[str, Any]] | None:
            entries = self.timeline(correlation_id)
            return entries if {entry["type"] for entry in entries} >= set(types) else None

        return self.wait(complete, f"timeline {correlation_id} with {', '.join(types)}")

    def subscribe(self, person: Person, channel: str, event_types: Sequence[str], target: str | None = None) -> Any:
        """Let a person be told."""
        body: dict[str, Any] = {"event_types": list(event_types), "channel": channel, "language": "en"}
        if target is not None:
            body["target"] = target
        return person.post("notifications/v1/subscriptions", body, expect=201)


def yes_then_no(yes: int, total: int) -> list[str]:
    """`yes` votes in favour, the rest against."""
    return list(itertools.islice(itertools.chain(["yes"] * yes, itertools.repeat("no")), total))
