"""Hashing passwords: today's parameters, one password however it is composed, and a bound on how many at a time."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from services.membership.commands import passwords
from shared.errors import Unavailable


def test_a_hash_carries_the_recommended_parameters_and_fits_only_its_password() -> None:
    stored = passwords.hash_password("correct horse battery")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify_password(stored, "correct horse battery")
    assert not passwords.verify_password(stored, "correct horse batterie")
    assert not passwords.needs_rehash(stored)


def test_two_keyboards_that_compose_letters_differently_give_one_password() -> None:
    stored = passwords.hash_password("caf\u00e9 in Zhuzhou")

    assert passwords.verify_password(stored, "cafe\u0301 in Zhuzhou")


@pytest.mark.parametrize("stored", [None, "", "no hash at all", "$argon2id$v=19$m=19456,t=2,p=1$broken"])
def test_nothing_fits_a_missing_or_broken_hash(stored: str | None) -> None:
    assert not passwords.verify_password(stored, "correct horse battery")


def test_more_sign_ins_than_turns_are_asked_to_come_back() -> None:
    # given that every turn is taken
    with ExitStack() as taken:
        for _ in range(passwords.CONCURRENT_MAX):
            taken.enter_context(passwords._turn())

        # then the next one is told when to come back, instead of starving everybody
        with pytest.raises(Unavailable) as refused, passwords._turn(wait_seconds=0.01):
            pass
        assert refused.value.retry_after_seconds == 5

    # and once they are done it is let in
    assert passwords.verify_password(passwords.hash_password("correct horse battery"), "correct horse battery")
