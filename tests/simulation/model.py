"""The alliance as it should be: plain objects, no database, no bus, no code of the product.

It is told what commands were stored and in which order each service heard which event, and says from that what must be
stored now. It decides votes by its own arithmetic: the committee by more than half of its roll, the general meeting by
half or more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
    #: Units that left before they had voted.
    struck: set[str] = field(default_factory=set)
    closes_at: datetime | None = None
    state: str = "open"

    @property
    def has_all_votes(self) -> bool:
        """Whether nobody is waited for any more."""
        return len(self.votes) + len(self.struck) == len(self.roll)

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
        #: Members that have said they leave and are still there, and those that have left.
        self.leaving: set[str] = set()
        self.left: set[str] = set()
        #: The ballots that meetings had opened when it heard that a unit had left.
        self.opened_before_leaving: dict[str, frozenset[str]] = {}
        #: Members whom meetings, and finance, have heard of.
        self.voters: set[str] = set()
        self.seated: dict[str, str] = {}
        self.vacated: dict[str, datetime] = {}
        self.account_holders: set[str] = set()
        self.closed_holders: set[str] = set()
        #: Members' accounts that finance has closed, by their own ids.
        self.closed_ledger_accounts: set[str] = set()
        self.balances: Counter[str] = Counter()
        self.entries = 0
        self.subscriptions: dict[str, Subscription] = {}
        #: Who must find which event in the inbox, and which deliveries there must be.
        self.notices: set[tuple[str, str]] = set()
        self.deliveries: set[tuple[str, str]] = set()
        self.closed_accounts: set[str] = set()

    # ---------------------------------------------------------------- what services hear

    def hears(self, service: str, event: Heard, now: datetime) -> None:
        """A service whose clock says `now` has reacted to an event, and that is stored."""
        reaction = getattr(self, f"_{service}_hears", None)
        if reaction is not None:
            reaction(event, now)

    def _meetings_hears(self, event: Heard, now: datetime) -> None:
        kind, data = event.type, event.data
        if kind == "membership.application.accepted":
            self._open(COMMITTEE, data["application_id"], self._committee(now))
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

        elif kind == "membership.office.vacated":
            self.vacated[data["office_id"]] = datetime.fromisoformat(data["vacated_at"])
        elif kind == "membership.member.left":
            self._strike(data["member_id"], now)

    def _committee(self, now: datetime) -> frozenset[str]:
        vacant = {office for office, since in self.vacated.items() if since <= now}
        return frozenset(unit for office, unit in self.seated.items() if office not in vacant) & self.voters

    def _strike(self, unit_id: str, now: datetime) -> None:
        self.voters.discard(unit_id)
        self.opened_before_leaving[unit_id] = frozenset(
            ballot.application_id + ballot.body for ballot in self.ballots.values()
        )
        for ballot in self.ballots.values():
            if ballot.state != "open" or unit_id not in ballot.roll or unit_id in ballot.votes:
                continue
            ballot.struck.add(unit_id)
            # Whoever looks at a ballot closes it where its deadline has passed.
            if ballot.has_all_votes or (ballot.closes_at is not None and now >= ballot.closes_at):
                ballot.state = "closed"

    def _open(self, body: str, application_id: str, roll: frozenset[str]) -> None:
        self.ballots.setdefault((body, application_id), Ballot(body, application_id, roll))

    def _membership_hears(self, event: Heard, _now: datetime) -> None:
        if event.type != "meetings.ballot.closed":
            return
        application = self.applications[event.data["matter"]["application_id"]]
        ballot = self.ballots[event.data["body"], application.application_id]
        if ballot.body == COMMITTEE and application.state == "accepted":
            application.state = "approved" if ballot.passed else "refused"
        elif ballot.body == MEETING and application.state == "approved":
            application.state = "admitted" if ballot.passed else "refused"

    def _finance_hears(self, event: Heard, _now: datetime) -> None:
        if event.type == "membership.member.admitted":
            self.account_holders.add(event.data["member_id"])
        elif event.type == "membership.member.left":
            self.closed_holders.add(event.data["member_id"])

    def _notifications_hears(self, event: Heard, _now: datetime) -> None:
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
        assert unit_id not in ballot.struck, "a vote was taken of a unit that has left"
        ballot.votes[unit_id] = choice
        if ballot.has_all_votes:
            ballot.state = "closed"

    def posts(self, lines: list[tuple[str, int]]) -> None:
        """An entry was acknowledged."""
        assert sum(amount for _, amount in lines) == 0, "an entry was taken that does not balance"
        self.entries += 1
        for account_id, amount in lines:
            before = self.balances[account_id]
            if account_id in self.closed_ledger_accounts:
                settled = before * amount < 0 and abs(amount) <= abs(before)
                assert settled, "something else than its settlement was booked on the account of a unit that has left"
            self.balances[account_id] += amount

    # ---------------------------------------------------------------- what services say

    def says(self, event: Heard) -> None:
        """A service has stored an event."""
        if event.type == "membership.member.left":
            member_id = event.data["member_id"]
            assert member_id in self.leaving, "a unit left that had not said so, or twice"
            self.leaving.discard(member_id)
            self.left.add(member_id)
        elif event.type == "finance.account.closed":
            assert event.data["member_id"] in self.left, "the account of a member was closed"
            self.closed_ledger_accounts.add(event.data["account_id"])
