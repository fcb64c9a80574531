"""Two at the same time: exactly one decides, exactly one is taken, and nobody gets a guess for nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from services.membership.commands.sessions import begin_sign_in, forget_attempts
from services.membership.domain.accounts import username_digest
from services.membership.timers import leave_due
from tests.builders.applications import application_form
from tests.service.membership.driver import COMMITTEE, MEETING, Membership
from tests.service.membership.test_leaving import Unit
from tests.service.membership.test_sign_in import staff_account


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """The calls' results, all of them started at the same moment."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, call) for call in calls]]


def test_two_secretaries_accepting_at_once_lay_one_matter_before_the_committee(house: Membership) -> None:
    receipt = house.submit()
    house.web.get("/alliance")

    answers = at_once(*[lambda: house.accept(receipt["application_id"]).status_code] * 6)

    assert Counter(answers) == {200: 1, 409: 5}
    assert len(house.told("membership.application.accepted")) == 1


def test_two_forms_for_one_unit_at_once_make_one_application(house: Membership) -> None:
    house.web.get("/alliance")

    answers = at_once(*[lambda: house.web.post("/applications", json=application_form()).status_code] * 6)

    assert Counter(answers) == {201: 1, 409: 5}
    assert house.stored()["applications"] == 1


def test_a_withdrawal_and_the_deciding_result_at_once_agree_on_one_end(house: Membership) -> None:
    # given an application whose ballot is about to close
    receipt = house.accepted()
    house.vote(receipt["application_id"], COMMITTEE)
    ballot_id = house.open_ballot(receipt["application_id"], MEETING)

    # when the applicant withdraws at that moment
    withdrawn, _ = at_once(
        lambda: house.withdraw(receipt).status_code,
        lambda: house.close_ballot(ballot_id, receipt["application_id"], MEETING),
    )

    # then either the unit is a member and the withdrawal refused, or the other way round
    state = house.application(receipt)["state"]
    assert (withdrawn, state, len(house.members())) in {(200, "withdrawn", 0), (409, "admitted", 1)}
    assert house.waiting() == []


def test_one_result_delivered_to_two_workers_admits_once(house: Membership) -> None:
    receipt = house.accepted()
    house.vote(receipt["application_id"], COMMITTEE)
    ballot_id = house.open_ballot(receipt["application_id"], MEETING)

    at_once(*[lambda: house.close_ballot(ballot_id, receipt["application_id"], MEETING)] * 4)

    assert [each["number"] for each in house.members()] == ["ZZ-0001"]
    assert len(house.told("membership.account.opened")) == 1


def test_guesses_sent_at_once_are_all_counted(house: Membership) -> None:
    # given an account, and twelve guesses in the same instant
    staff_account(house, "secretariat")

    answers = at_once(*[lambda: house.sign_in("li.wei", "wrong password").status_code] * 12)

    # then no more than the free ones were compared with the password
    assert Counter(answers) == {401: 5, 429: 7}


def test_rotations_at_once_make_one_key(house: Membership) -> None:
    answers = at_once(*[lambda: house.web.post("/signing-keys", headers=house.staff("operator")).status_code] * 4)

    assert Counter(answers) == {201: 1, 409: 3}
    assert house.stored()["signing_keys"] == 2


def test_two_devices_of_one_person_may_sign_in_at_once(house: Membership) -> None:
    staff_account(house)
    digest = username_digest("li.wei")
    held, go_on = threading.Event(), threading.Event()

    def first_device() -> None:
        # The right password was given here; its unit has yet to commit.
        with house.assembly.begin() as work:
            begin_sign_in(work, "li.wei")
            forget_attempts(work, digest)
            held.set()
            assert go_on.wait(timeout=30)

    def second_device() -> str | None:
        assert held.wait(timeout=30)
        go_on.set()
        with house.assembly.begin() as work:
            return begin_sign_in(work, "li.wei").account_id

    _, account_id = at_once(first_device, second_device)

    assert account_id is not None


def test_a_unit_that_says_so_six_times_at_once_leaves_once(house: Membership) -> None:
    unit = Unit(house)
    house.web.get("/alliance")

    answers = at_once(*[lambda: unit.leave().status_code] * 6)

    assert Counter(answers) == {200: 1, 409: 5}
    assert [len(house.told(f"membership.{each}")) for each in ("member.left", "office.vacated", "account.closed")] == [
        1
    ] * 3


def test_taking_it_back_at_the_very_moment_of_leaving_does_one_of_the_two(house: Membership) -> None:
    unit = Unit(house)
    assert unit.leave(leaves_on=unit.day(1)).status_code == 200
    house.clock.advance(2 * 86_400)

    stays, _ = at_once(lambda: unit.stay().status_code, lambda: leave_due(house.assembly))

    left = unit.shown(house.staff())["left_at"] is not None
    assert (stays, left) in ((204, False), (409, True))
    assert len(house.told("membership.member.left")) == left
