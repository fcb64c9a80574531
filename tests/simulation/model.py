"""The alliance as it should be: plain objects, no database, no bus, no code of the product.

It is told what commands were stored and in which order each service heard which event, and says from that what must be
stored now. It decides votes by its own arithmetic: the committee by more than half of its roll, the general meeting by
half or more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COMMITTEE = "executive_committee"
MEETING = "general_meeting"
#: Offices that carry a seat of the committee.
SEATS = ("director", "vice_director", "committee_member")


@dataclass(frozen=True)
class Heard:
    """An event as the model needs it."""

    event_id: str
    type: str
    source: str
    subject: str
    sequence: int
    data: Mapping[str, Any]


@dataclass
class Application:
    """One unit's way to membership."""

    application_id: str
    access_code: str
    credit_code: str
    has_warnings: bool
    state: str = "submitted"
    questions: set[str] = field(default_factory=set)

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.state not in ("admitted", "refused", "withdrawn")


@dataclass
class Ballot:
    """One ballot: who may vote, and who has."""

    body: str
    application_id: str
    roll: frozenset[str]
    ballot_id: str = ""
    votes: dict[str, str] = field(default_factory=dict)
    state: str = "open"

    def counts(self) -> Counter[str]:
        """Votes by choice."""
        return Counter(self.votes.values())

    @property
    def passed(self) -> bool:
        """What the charter makes of the votes."""
        yes, roll = self.counts()["yes"], len(self.roll)
        return yes > 0 and (2 * yes > roll if self.body == COMMITTEE else 2 * yes >= roll)


@dataclass
class Subscription:
    """Somebody's wish to be told."""

    subscription_id: str
    owner: str
    channel: str
    patterns: tuple[str, ...]
    is_alive: bool = True

    def wants(self, event_type: str) -> bool:
        """Whether it asks for events of this type."""
        return any(
            pattern in ("*", event_type) or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
            for pattern in self.patterns
        )


class Model:
    """What must be true."""

    def __init__(self) -> None:
        self.applications: dict[str, Application] = {}
        #: By body and application.
        self.ballots: dict[tuple[str, str], Ballot] = {}
        #: The application that brought each member in, None for a founder.
        self.members: dict[str, str | None] = {}
        #: Members whom meetings, and finance, have heard of.
        self.voters: set[str] = set()
        self.seated: dict[str, str] = {}
        self.account_holders: set[str] = set()
        self.balances: Counter[str] = Counter()
        self.entries = 0
        self.subscriptions: dict[str, Subscription] = {}
        #: Who must find which event in the inbox, and which deliveries there must be.
        self.notices: set[tuple[str, str]] = set()
        self.deliveries: set[tuple[str, str]] = set()
        self.closed_accounts: set[str] = set()

    # ---------------------------------------------------------------- what services hear

    def hears(self, service: str, event: Heard) -> None:
        """A service has reacted to an event, and that is stored."""
        reaction = getattr(self, f"_{service}_hears", None)
        if reaction is not None:
            reaction(event)

    def _meetings_hears(self, event: Heard) -> None:
        kind, data = event.type, event.data
        if kind == "membership.application.accepted":
            self._open(COMMITTEE, data["application_id"], frozenset(self.seated.values()) & self.voters)
        elif kind == "membership.admission.approved":
            self._open(MEETING, data["application_id"], frozenset(self.voters))
        elif kind == "membership.application.withdrawn":
            for ballot in self.ballots.values():
                if ballot.application_id == data["application_id"] and ballot.state == "open":
                    ballot.state = "cancelled"
        elif kind == "membership.member.admitted":
            self.voters.add(data["member_id"])
        elif kind == "membership.office.filled" and data["body"] == COMMITTEE and data["office"] in SEATS:
            self.seated[data["office_id"]] = data["member_id"]

    def _open(self, body: str, application_id: str, roll: frozenset[str]) -> None:
        self.ballots.setdefault((body, application_id), Ballot(body, application_id, roll))

    def _membership_hears(self, event: Heard) -> None:
        if event.type != "meetings.ballot.closed":
            return
        application = self.applications[event.data["matter"]["application_id"]]
        ballot = self.ballots[event.data["body"], application.application_id]
        if ballot.body == COMMITTEE and application.state == "accepted":
            application.state = "approved" if ballot.passed else "refused"
        elif ballot.body == MEETING and application.state == "approved":
            application.state = "admitted" if ballot.passed else "refused"

    def _finance_hears(self, event: Heard) -> None:
        if event.type == "membership.member.admitted":
            self.account_holders.add(event.data["member_id"])

    def _notifications_hears(self, event: Heard) -> None:
        if event.type == "membership.account.closed":
            self.ends_subscriptions_of(event.data["account_id"])
        if event.type.startswith("notifications."):
            return
        for each in self.subscriptions.values():
            if each.is_alive and each.wants(event.type):
                self.deliveries.add((each.subscription_id, event.event_id))
                if each.channel == "inbox":
                    self.notices.add((each.owner, event.event_id))

    def ends_subscriptions_of(self, owner: str) -> None:
        """The owner may no longer come in."""
        for each in self.subscriptions.values():
            if each.owner == owner:
                each.is_alive = False

    # ---------------------------------------------------------------- what commands do

    def votes(self, ballot: Ballot, unit_id: str, choice: str) -> None:
        """A vote was acknowledged."""
        assert ballot.state == "open", "a vote was taken by a ballot that has ended"
        assert unit_id in ballot.roll, "a vote was taken of a unit that is not on the roll"
        assert unit_id not in ballot.votes, "a second vote of the same unit was taken"
        ballot.votes[unit_id] = choice
        if len(ballot.votes) == len(ballot.roll):
            ballot.state = "closed"

    def posts(self, lines: list[tuple[str, int]]) -> None:
        """An entry was acknowledged."""
        assert sum(amount for _, amount in lines) == 0, "an entry was taken that does not balance"
        self.entries += 1
        for account_id, amount in lines:
            self.balances[account_id] += amount
