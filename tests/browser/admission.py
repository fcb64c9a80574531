"""The whole chain of an admission, told by what people do on the pages, from the empty form to the new member's sign-in.

Two windows: the applicant's, and one in the office at which everybody else sits down in turn. What was waited for is on
the pages; the alliance itself is asked only who may vote, and for the address of a ballot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.hands import Hands
from tests.browser.windows import House, Window
from tests.builders.new_units import new_unit_form
from tests.waiting import wait_until

COMMITTEE, GENERAL_MEETING = "executive_committee", "general_meeting"
PASSWORD = "quiet-river-crossing-7"
QUESTION = {
    "zh-CN": "请说明平台目前服务的企业数量，并确认从业人数。\n如有佐证材料，请一并写明。",
    "en": "How many enterprises do you serve at present? Please confirm the headcount.",
}
ANSWER = {"zh-CN": "目前服务企业 212 家，从业人数 38 人。", "en": "We serve 212 enterprises; our headcount is 38."}


@dataclass(frozen=True)
class Voter:
    """Somebody who votes for a unit."""

    username: str
    sits_in_committee: bool


class Admission:
    """One unit on its way in. `hands` makes the hands for a window."""

    def __init__(self, applicant: Window, office: Window, hands: Callable[[Page], Hands]) -> None:
        self.applicant = applicant
        self.office = office
        self.house: House = office.house
        self.form: dict[str, Any] = new_unit_form()
        self._theirs = hands(applicant.page)
        self._ours = hands(office.page)
        self._link = ""
        self.application_id = ""
        self.number = ""

    # ------------------------------------------------------------ the applicant
    def apply(self) -> None:
        """From the home page to the number and the private link."""
        window, hands, say = self.applicant, self._theirs, self.applicant.say
        window.open("/")
        window.look("home-of-visitors")
        hands.press(window.page.get_by_role("main").get_by_role("link", name=say("home.apply")))
        window.look("what-applying-takes")
        hands.press(window.page.get_by_role("link", name=say("apply.begin")))
        for step, fields in self._typed().items():
            expect(window.page.get_by_role("heading", level=1)).to_have_text(say(f"apply.step.{step}"))
            for name, value in fields.items():
                self._fill(name, value)
            window.look(f"form-{step}")
            hands.press(self._button(window, "apply.next"))
        expect(window.page.get_by_role("heading", level=1)).to_have_text(say("apply.step.review"))
        window.look("form-looked-over")
        hands.press(self._button(window, "apply.send"))
        window.look("pledge-missing")
        hands.tick(self._field(window, "charter_pledge"))
        hands.press(self._button(window, "apply.send"))
        expect(window.page.get_by_role("heading", level=1)).to_have_text(say("apply.sent.title"))
        window.look("sent")
        self._link = window.page.locator("#kept-link").inner_text().strip()
        self.application_id = window.page.locator("#kept-id").inner_text().strip()

    def answer(self) -> None:
        """By the private link, in a browser that has never seen the application."""
        window, hands = self.applicant, self._theirs
        window.become("")
        self._open_private_link()
        window.look("question-waits")
        hands.press(window.page.get_by_role("link", name=window.say("status.questions.answer")))
        window.look("answering")
        hands.write(self._field(window, "text"), ANSWER[window.kind.language])
        hands.press(self._button(window, "status.answer.send"))
        expect(window.page.get_by_role("main")).to_contain_text(ANSWER[window.kind.language])
        window.look("answered")

    def activate(self) -> None:
        """What was applied for: the way from the private link to one's own home page."""
        window, hands, page = self.applicant, self._theirs, self.applicant.page
        wait_until(self._is_admitted, "the admission on the applicant's page")
        window.look("admitted")
        self.number = re.search(r"ZZ-\d+", page.get_by_role("main").inner_text())[0]  # type: ignore[index]
        hands.press(page.get_by_role("link", name=window.say("status.activate")))
        for name in ("password", "password_again"):
            hands.write(self._field(window, name), PASSWORD)
        window.look("activating")
        hands.press(self._button(window, "activate.do"))
        expect(page.get_by_role("heading", level=1)).to_have_text(window.say("activate.done.title"))
        window.look("activated")
        self.house.office.passwords[self.number.lower()] = PASSWORD  # as accounts have user names
        hands.press(page.get_by_role("main").get_by_role("link", name=window.say("activate.done.sign_in")))
        hands.write(page.locator("#username"), self.number)
        hands.write(page.locator("#password"), PASSWORD)
        window.look("signing-in")
        hands.press(page.locator("form:has(#password) button"))
        self._expect_home(window)
        window.look("home-of-a-new-member")

    # ------------------------------------------------------------ the secretariat
    def sign_secretary_in(self) -> None:
        """At the real sign-in page, by a demo's one click."""
        window, hands = self.office, self._ours
        window.become("")
        window.open("/")
        hands.press(window.page.get_by_role("banner").get_by_role("link", name=window.say("nav.sign_in")))
        window.look("sign-in-page")
        hands.press(window.page.locator("form:has(input[value=clerk]) button"))
        self._expect_home(window)
        window.look("home-of-the-secretariat")

    def ask(self) -> None:
        """From the list of things to do to a question that is on its way."""
        window, hands = self.office, self._ours
        hands.press(window.page.get_by_role("main").get_by_role("link", name=self.form["unit_name"]).first)
        window.look("application-to-be-checked")
        hands.write(self._field(window, "question"), QUESTION[window.kind.language])
        hands.press(self._button(window, "desk.ask"))
        window.look("question-asked")

    def accept(self) -> None:
        """Lay the application before the committee."""
        window, hands, page = self.office, self._ours, self.office.page
        window.become("secretary")
        window.open("/applications")
        window.look("applications")
        hands.press(page.get_by_role("link", name=self.form["unit_name"]))
        window.look("application-answered")
        hands.press(page.get_by_role("link", name=window.say("desk.accept")))
        window.look("accepting")
        hands.press(self._button(window, "desk.accept"))
        expect(page.get_by_role("status")).to_contain_text(window.say("said.application_accepted"))
        window.look("accepted")

    # ------------------------------------------------------------ those who vote
    def voters(self) -> list[Voter]:
        """Everybody with a vote, in the order of the accounts."""
        secretary = self.house.signed_in("secretary")
        accounts = secretary.get("membership/v1/accounts", limit=100)["items"]
        offices = secretary.get("membership/v1/offices")["items"]
        committee = {each["member_id"] for each in offices if each["body"] == COMMITTEE}
        return [Voter(each["username"], each["member_id"] in committee) for each in accounts if each["member_id"]]

    def decide(self, body: str, choices: Iterable[tuple[Voter, str]]) -> str:
        """Everybody votes; the first goes the whole way from the home page. Gives the ballot's address."""
        address = self._ballot_of(body)
        window = self.office
        for number, (voter, choice) in enumerate(choices):
            window.become(voter.username)
            if number == 0:
                window.open("/")
                window.look(f"{body}-vote-waits")
                self._ours.press(window.page.get_by_role("main").get_by_role("link", name=self.form["unit_name"]).first)
                window.look(f"{body}-ballot")
            else:
                window.open(address)
            self._vote(choice, body if number == 0 else "")
        wait_until(lambda: self._is_closed(address), f"the result of {address}")
        window.look(f"{body}-result")
        return address

    def _vote(self, choice: str, name: str) -> None:
        window, hands, page = self.office, self._ours, self.office.page
        hands.tick(page.locator(f"[name=choice][value={choice}]"))
        hands.press(self._button(window, "ballots.on_to_confirmation"))
        cast = page.get_by_role("button", name=window.say("ballots.confirm.cast", choice=window.say(f"vote.{choice}")))
        expect(cast).to_be_visible()
        if name:
            window.look(f"{name}-vote-to-be-confirmed")
        hands.press(cast)
        expect(page.get_by_role("main")).to_contain_text(window.say("ballots.place.has_voted"))
        if name:
            window.look(f"{name}-voted")

    def _ballot_of(self, body: str) -> str:
        secretary = self.house.signed_in("secretary")

        def look() -> str:
            found = secretary.get("meetings/v1/ballots", body=body, application_id=self.application_id)["items"]
            return f"/ballots/{found[0]['ballot_id']}" if found else ""

        return wait_until(look, f"the ballot of {body}")

    def _is_closed(self, address: str) -> bool:
        self.office.open(address)
        return self.office.page.locator("#result").is_visible()

    # ------------------------------------------------------------ what it leaves behind
    def look_back(self, ballot: str) -> None:
        """The secretariat finds it in the notices, in the timeline, on the roster; and signs out."""
        window, hands, page = self.office, self._ours, self.office.page
        window.become("clerk")
        window.open(ballot)
        hands.press(page.get_by_role("link", name=window.say("ballots.to_timeline")))
        expect(page.locator(".timeline .from-finance").first).to_be_visible()
        window.look("timeline")
        window.become("secretary")
        window.open("/notices")
        expect(page.get_by_role("main")).to_contain_text(self.form["unit_name"])
        window.look("notices")
        window.open("/members")
        hands.press(page.get_by_role("link", name=self.form["unit_name"]))
        expect(page.get_by_role("main")).to_contain_text(self.number)
        window.look("on-the-roster")
        self.applicant.open("/")
        self._theirs.press(self.applicant.page.get_by_role("button", name=self.applicant.say("nav.sign_out")))
        expect(self.applicant.page.get_by_role("status")).to_contain_text(self.applicant.say("said.signed_out"))
        self.applicant.look("signed-out")

    # ------------------------------------------------------------ on the pages
    def _is_admitted(self) -> bool:
        self.applicant.open(f"/status/{self.application_id}")
        return self.applicant.page.get_by_role("link", name=self.applicant.say("status.activate")).is_visible()

    def _open_private_link(self) -> None:
        window, hands = self.applicant, self._theirs
        address, _, code = self._link.partition("#code=")
        window.page.goto(self._link)
        if not window.kind.scripts:
            # A code behind # is for scripts; without one it is typed, as the page says.
            hands.write(self._field(window, "link"), address)
            hands.write(self._field(window, "code"), code)
            hands.press(self._button(window, "status.open.do"))
        expect(window.page.get_by_role("heading", level=1)).to_have_text(self.form["unit_name"])

    def _expect_home(self, window: Window) -> None:
        expect(window.page.get_by_role("button", name=window.say("nav.sign_out"))).to_be_visible()

    def _fill(self, name: str, value: str) -> None:
        field, hands = self._field(self.applicant, name), self._theirs
        if name == "kind":
            hands.tick(self.applicant.page.locator(f'[name=kind][value="{value}"]'))
        elif name == "county":
            hands.choose(field, value)
        else:
            hands.write(field, value)

    def _typed(self) -> dict[str, dict[str, str]]:
        """The form by its steps, as it is typed."""
        form = self.form
        people = {
            f"{who}.{part}": text
            for who in ("legal_representative", "representative")
            for part, text in form[who].items()
        }
        return {
            "unit": {name: form[name] for name in ("unit_name", "credit_code", "kind", "county")},
            "people": people,
            "business": {"address": form["address"], "established_on": "2021-06-01", "headcount": "36", "main_business": form["main_business"]},
            "about": {"introduction": form["introduction"], "reason": form["reason"]},
        }  # fmt: skip

    @staticmethod
    def _field(window: Window, name: str) -> Locator:
        return window.page.locator(f'[name="{name}"]:not([type=hidden])')

    @staticmethod
    def _button(window: Window, code: str) -> Locator:
        return window.page.get_by_role("button", name=window.say(code), exact=True)
