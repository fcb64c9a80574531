"""Names, passwords, roles, and how long a wrong password makes one wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.membership.domain import accounts
from services.membership.domain.credentials import digest, matches
from shared.errors import Invalid

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize("typed", ["ZZ-0001", " zz-0001 ", "ＺＺ－０００１"])
def test_a_username_is_one_name_however_it_is_typed(typed: str) -> None:
    assert accounts.normalise_username(typed) == "zz-0001"


@pytest.mark.parametrize("typed", ["", "   ", "x" * 65])
def test_a_username_without_or_with_too_many_letters_is_refused(typed: str) -> None:
    with pytest.raises(Invalid) as refused:
        accounts.normalise_username(typed)

    assert refused.value.field == "username"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("elevenchars", "account.password_length"),
        ("x" * 129, "account.password_length"),
        ("aaaaaaaaaaaa", "account.password_guessable"),
        ("abcdabcdabcd", "account.password_guessable"),
        ("my-ZZ-0001-password", "account.password_guessable"),
    ],
)
def test_a_weak_password_is_refused_and_the_field_named(password: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        accounts.ensure_password_allowed(password, "zz-0001")

    assert [(fault.field, fault.code) for fault in refused.value.faults] == [("password", code)]


@pytest.mark.parametrize("password", ["correct horse", "醴陵瓷谷的春天真的很美丽呀", "x" * 123 + "abcde"])
def test_a_long_and_varied_password_is_allowed(password: str) -> None:
    accounts.ensure_password_allowed(password, "zz-0001")


def test_the_first_failures_cost_nothing_then_waiting_doubles_up_to_its_limit() -> None:
    waits = [accounts.wait_seconds(failures) for failures in range(1, 16)]

    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(st.integers(min_value=0, max_value=2**31))
def test_nobody_is_ever_shut_out_for_good(failures: int) -> None:
    assert 0 <= accounts.wait_seconds(failures) <= accounts.WAIT_SECONDS_MAX


def test_a_day_without_a_try_forgets_the_failures() -> None:
    counted, wait_until = accounts.count_attempt(40, NOW - timedelta(hours=25), NOW)

    assert (counted, wait_until) == (1, NOW)


def test_failures_of_today_are_counted_on() -> None:
    counted, wait_until = accounts.count_attempt(5, NOW - timedelta(minutes=1), NOW)

    assert (counted, wait_until) == (6, NOW + timedelta(seconds=2))


@pytest.mark.parametrize(
    ("staff", "member", "offices", "roles"),
    [
        ((), True, (), {"representative"}),
        ((), True, ("committee_member",), {"representative", "committee"}),
        ((), True, ("director",), {"representative", "committee"}),
        ((), True, ("secretary_general",), {"representative"}),
        (("secretariat", "operator"), False, (), {"secretariat", "operator"}),
        (("treasurer",), False, ("director",), {"treasurer"}),
    ],
)
def test_roles_follow_from_the_roster_and_the_offices(staff, member, offices, roles) -> None:
    assert accounts.derive_roles(staff, represents_member=member, offices=offices) == roles


def test_a_secret_fits_its_own_digest_only() -> None:
    assert matches(digest("a" * 64), "a" * 64)
    assert not matches(digest("a" * 64), "b" * 64)


def test_no_secret_fits_where_none_is_stored() -> None:
    assert not matches(None, "")
    assert not matches("", "")
