"""What people want of the alliance: applications, reviews, votes, payments, subscriptions; often more than they may.

Every wish is one command in one unit of work. What it changes is told to the model if, and only if, its unit was
stored, whatever the caller was told about it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.finance.commands.entries import post_entry
from services.meetings.commands.ballots import cast_vote
from services.meetings.commands.charter import adopt_charter
from services.membership.commands import admission
from services.membership.commands.accounts import close_account
from services.membership.commands.leaving import Announcement, announce_leaving, retract_leaving
from services.membership.commands.signing_keys import rotate_keys
from services.notifications.commands.subscriptions import Owner, subscribe, unsubscribe
from services.notifications.domain.subscriptions import Channel, Wish
from shared.persistence.unit_of_work import UnitOfWork
from tests.builders.new_units import credit_code
from tests.simulation.alliance import Alliance
from tests.simulation.model import Application, Ballot, Model, Subscription
from tests.simulation.templates import MASTER_SECRET, charter

#: Open applications a run carries at most: beyond, nothing would ever be decided.
OPEN_APPLICATIONS_MAX = 3
NARROW_PATTERNS = ("meetings.ballot.closed", "membership.member.admitted", "membership.application.*")
PATTERNS = ("*", "membership.*", "meetings.ballot.*", "finance.entry.posted", *NARROW_PATTERNS)
#: Units that leave in a run at most: a committee that nobody sits in decides nothing any more.
LEAVINGS_MAX = 3
#: What is wanted, and how often.
WISHES = {
    "vote": 60,
    "accept": 12,
    "apply": 6,
    "pay": 9,
    "subscribe": 4,
    "ask": 4,
    "answer": 5,
    "withdraw": 2,
    "leave": 3,
    "stay": 1,
    "unsubscribe": 1,
    "close_account": 1,
    "rotate_keys": 1,
    "adopt": 1,
}


@dataclass(frozen=True)
class Command:
    """One wish: which service, what it is called in the trace, what to do, and what the model learns if it is stored."""

    service: str
    name: str
    run: Callable[[UnitOfWork], Any]
    learn: Callable[[Any], None]


class Workload:
    """Draws wishes."""

    def __init__(self, chance: random.Random, alliance: Alliance, model: Model) -> None:
        self._chance = chance
        self._alliance = alliance
        self._model = model
        self._units = 0
        #: How this run's voters lean; a run in which everything passes shows no refusal.
        self._leaning = chance.choice(((6, 1, 1), (3, 2, 1), (8, 1, 1), (20, 1, 0)))

    def draw(self) -> Command:
        """The next wish that makes sense at all."""
        while True:
            (name,) = self._chance.choices(list(WISHES), list(WISHES.values()))
            command: Command | None = getattr(self, f"_{name}")()
            if command is not None:
                return command

    # ---------------------------------------------------------------- membership

    def _apply(self) -> Command | None:
        model = self._model
        still_open = [each for each in model.applications.values() if each.is_open]
        if len(still_open) >= OPEN_APPLICATIONS_MAX:
            return None
        self._units += 1
        code = credit_code(self._units)
        if model.applications and self._chance.random() < 0.15:
            code = self._one_of(model.applications.values()).credit_code
        elif self._chance.random() < 0.2:
            code = f"{code[:-1]}{'0' if code[-1] != '0' else '1'}"
        form = {
            "unit_name": f"株洲第{self._units}号科技服务有限公司",
            "credit_code": code,
            "kind": "quality_enterprise" if self._chance.random() > 0.05 else "church",
            "county": "liling",
            "legal_representative": {"name": "王建国", "title": "董事长"},
            "representative": {"name": "李晓梅", "title": "总经理", "mobile": "13907330000"},
            "address": "醴陵市瓷城大道1号",
            "main_business": "培训服务",
            "introduction": "成立以来服务本地企业二百余家。",
            "reason": "愿与同行一道服务。",
            "charter_pledge": True,
        }

        def learn(receipt: dict[str, Any]) -> None:
            model.applications[receipt["application_id"]] = Application(
                receipt["application_id"], receipt["access_code"], code, bool(receipt["warnings"])
            )

        return Command("membership", "apply", lambda work: admission.submit_application(work, form), learn)

    def _accept(self) -> Command | None:
        application = self._application("submitted")
        if application is None:
            return None
        confirm = self._chance.random() < 0.8

        def learn(_: Any) -> None:
            assert not application.questions, "accepted with a question open"
            assert confirm or not application.has_warnings, "accepted with warnings nobody confirmed"
            assert application.state == "submitted"
            application.state = "accepted"

        return Command(
            "membership",
            f"accept {application.application_id[-4:]}",
            lambda work: admission.accept_application(
                work, application.application_id, accepted_by="staff", confirm_warnings=confirm
            ),
            learn,
        )

    def _ask(self) -> Command | None:
        application = self._application("submitted", "questioned")
        if application is None:
            return None

        def learn(step: dict[str, Any]) -> None:
            assert application.state in ("submitted", "questioned")
            application.questions.add(step["question_id"])
            application.state = "questioned"

        return Command(
            "membership",
            f"ask {application.application_id[-4:]}",
            lambda work: admission.ask_question(work, application.application_id, text="?", asked_by="staff"),
            learn,
        )

    def _answer(self) -> Command | None:
        application = self._application("questioned")
        if application is None or not application.questions:
            return None
        question_id = self._one_of(sorted(application.questions))
        access_code = application.access_code if self._chance.random() < 0.9 else "0" * 64

        def learn(_: Any) -> None:
            assert access_code == application.access_code, "a stranger's answer was taken"
            application.questions.discard(question_id)
            application.state = "questioned" if application.questions else "submitted"

        return Command(
            "membership",
            f"answer {application.application_id[-4:]}",
            lambda work: admission.answer_question(
                work, application.application_id, access_code=access_code, question_id=question_id, text="!"
            ),
            learn,
        )

    def _withdraw(self) -> Command | None:
        application = self._application()
        if application is None:
            return None

        def learn(_: Any) -> None:
            assert application.is_open, "withdrawn after it was decided"
            application.state = "withdrawn"

        return Command(
            "membership",
            f"withdraw {application.application_id[-4:]}",
            lambda work: admission.withdraw_application(
                work, application.application_id, access_code=application.access_code
            ),
            learn,
        )

    def _leave(self) -> Command | None:
        model = self._model
        present = sorted(set(model.members) - model.left)
        if len(model.left | model.leaving) >= LEAVINGS_MAX or not present:
            # Sometimes one that has left, or is about to, says so again.
            present = sorted(model.left | model.leaving)
        if not present:
            return None
        member_id = self._one_of(present)
        days = self._chance.choice((0, 0, 0, 2, 9))
        clock = self._alliance["membership"].clock
        day = (clock.now() + timedelta(hours=8, days=days)).date() if days else None
        said = Announcement("representative", "somebody", leaves_on=day)

        def learn(_: Any) -> None:
            assert member_id not in model.left, "a unit has left twice"
            model.leaving.add(member_id)

        return Command(
            "membership",
            f"leave {member_id[-4:]} in {days} days",
            lambda work: announce_leaving(work, member_id, said),
            learn,
        )

    def _stay(self) -> Command | None:
        model = self._model
        if not model.leaving | model.left:
            return None
        member_id = self._one_of(sorted(model.leaving or model.left))

        def learn(_: Any) -> None:
            assert member_id in model.leaving, "taken back by a unit that has left"
            model.leaving.discard(member_id)

        return Command(
            "membership",
            f"stay {member_id[-4:]}",
            lambda work: retract_leaving(work, member_id, retracted_by="somebody"),
            learn,
        )

    def _close_account(self) -> Command:
        accounts = self._alliance["membership"].rows("SELECT account_id FROM accounts ORDER BY rowid")
        account_id = self._one_of(accounts)[0]

        def learn(_: Any) -> None:
            self._model.closed_accounts.add(account_id)

        return Command(
            "membership", f"close account {account_id[-4:]}", lambda work: close_account(work, account_id), learn
        )

    def _rotate_keys(self) -> Command:
        return Command(
            "membership", "rotate keys", lambda work: rotate_keys(work, master_secret=MASTER_SECRET), lambda _: None
        )

    # ---------------------------------------------------------------- meetings

    def _vote(self) -> Command | None:
        known = [each for each in self._model.ballots.values() if each.ballot_id]
        running = [each for each in known if each.state == "open"]
        if not known:
            return None
        # Mostly the oldest running ballot, so that some are decided by their last vote.
        ballot = running[0] if running and self._chance.random() < 0.8 else self._one_of(running or known)
        if not running and self._chance.random() < 0.8:
            return None
        return self.ballot_paper(ballot, self._voter(ballot))

    def ballot_paper(self, ballot: Ballot, unit_id: str) -> Command:
        """One unit's vote."""
        (choice,) = self._chance.choices(("yes", "no", "abstain"), self._leaning)

        def learn(_: Any) -> None:
            meetings = self._alliance["meetings"]
            ((closes_at,),) = meetings.rows("SELECT closes_at FROM ballots WHERE ballot_id = ?", ballot.ballot_id)
            assert meetings.clock.now() < datetime.fromisoformat(closes_at), "a vote was taken after the deadline"
            self._model.votes(ballot, unit_id, choice)

        return Command(
            "meetings",
            f"vote {ballot.ballot_id[:4]} {unit_id[-4:]} {choice}",
            lambda work: cast_vote(work, ballot.ballot_id, unit_id=unit_id, choice=choice),
            learn,
        )

    def _voter(self, ballot: Ballot) -> str:
        draw = self._chance.random()
        waiting = sorted(ballot.roll - set(ballot.votes))
        if draw < 0.85 and waiting:
            return self._one_of(waiting)
        if draw < 0.93 and ballot.votes:
            return self._one_of(sorted(ballot.votes))
        return self._one_of(sorted(self._model.voters) or ["nobody"])

    def _adopt(self) -> Command:
        content = deepcopy(charter())
        content["rules"]["admission_vote"]["voting_days"] = self._chance.randint(7, 30)
        return Command("meetings", "adopt", lambda work: adopt_charter(work, content), lambda _: None)

    # ---------------------------------------------------------------- finance

    def _pay(self) -> Command | None:
        accounts = dict(self._alliance["finance"].rows("SELECT code, account_id FROM accounts ORDER BY code"))
        members = [code for code in accounts if code.startswith("1122.")]
        if "4101.donations" not in accounts or not members:
            return None
        fen, member = self._chance.randint(1, 1_000_000), self._one_of(members)
        kinds = {
            "donation": ("1002", "4101.donations"),
            "contribution due": (member, "4201.member_contributions"),
            "contribution paid": ("1002", member),
            "outlay of a member": ("5101.exchange", member),
            "reimbursement": (member, "1002"),
            "distribution": (member, "3101"),
            "spending": ("5101.policy_information", "1002"),
        }
        kind = self._one_of(list(kinds))
        debit, credit = (accounts[code] for code in kinds[kind])
        crooked = self._chance.random() < 0.1
        lines = [(debit, fen), (credit, -fen + crooked)]
        payment = {"kind": "reimbursement", "voucher": "v-1"} if kind == "reimbursement" else None
        today = self._alliance.clock.now().date()

        def post(work: UnitOfWork) -> str:
            postings = [{"account_id": account_id, "amount_fen": amount} for account_id, amount in lines]
            return post_entry(
                work,
                posted_by="treasurer",
                posted_on=today,
                currency="CNY",
                description=kind,
                postings=postings,
                member_payment=payment,
            )

        return Command("finance", f"pay {kind} {fen}", post, lambda _: self._model.posts(lines))

    # ---------------------------------------------------------------- notifications

    def _subscribe(self) -> Command:
        accounts = self._alliance["membership"].rows("SELECT account_id FROM accounts ORDER BY rowid")
        owner = self._one_of(accounts)[0]
        channel = self._one_of([Channel.INBOX, Channel.INBOX, Channel.INBOX, Channel.EMAIL])
        # A mail costs ten times what a notice does, so the mailboxes ask for less.
        among = PATTERNS if channel is Channel.INBOX else NARROW_PATTERNS
        patterns = tuple(sorted({self._one_of(among) for _ in range(self._chance.randint(1, 2))}))
        target = f"{owner}@lianmeng.example" if channel is Channel.EMAIL else None

        def run(work: UnitOfWork) -> str:
            wish = Wish(patterns, channel, target)
            return subscribe(work, Owner("person", owner), wish, language="en", email_works=True)[0]

        def learn(subscription_id: str) -> None:
            self._model.subscriptions[subscription_id] = Subscription(subscription_id, owner, channel.value, patterns)

        return Command("notifications", f"subscribe {channel.value} {patterns}", run, learn)

    def _unsubscribe(self) -> Command | None:
        if not self._model.subscriptions:
            return None
        each = self._one_of(self._model.subscriptions.values())

        def learn(_: Any) -> None:
            each.is_alive = False

        return Command(
            "notifications",
            f"unsubscribe {each.subscription_id[-4:]}",
            lambda work: unsubscribe(work, Owner("person", each.owner), each.subscription_id),
            learn,
        )

    # ---------------------------------------------------------------- chance

    def _application(self, *states: str) -> Application | None:
        """One in such a state, mostly; sometimes any, to be refused."""
        every = list(self._model.applications.values())
        fitting = [each for each in every if each.state in states] if states else every
        if states and every and self._chance.random() < 0.05:
            return self._one_of(every)
        return self._one_of(fitting) if fitting else None

    def _one_of(self, among: Any) -> Any:
        return self._chance.choice(list(among))
