"""The unified social credit code: what is put right silently, what is warned about, and that nothing is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum.cn import uscc
from stdnum.exceptions import ValidationError

from services.membership.domain import credit_code

VALID = ("91110000600037341L", "91110000101623741K", "911101066976941872", "N1430200MF1234567W")
bodies = st.text(credit_code.ALPHABET, min_size=17, max_size=17)


@pytest.mark.parametrize("code", VALID)
def test_a_code_that_adds_up_carries_no_warning(code: str) -> None:
    assert credit_code.find_warnings(code) == ()


def test_a_check_value_of_31_is_written_as_0() -> None:
    # given a code whose weighted sum is a multiple of 31
    code = "91430200MA4L000230"

    # then its check character is right; only the made-up organisation part is not
    assert credit_code.check_character(code[:-1]) == "0"
    assert credit_code.find_warnings(code) == (credit_code.WRONG_ORGANISATION_PART,)


def test_a_check_value_of_30_is_written_as_y() -> None:
    assert credit_code.ALPHABET[30] == "Y"
    assert len(credit_code.ALPHABET) == 31


def test_a_real_companys_odd_code_is_warned_about_for_its_check_character_only() -> None:
    assert credit_code.find_warnings("91350211M0000XUF46") == (credit_code.WRONG_CHECK,)


@pytest.mark.parametrize(
    "typed",
    [
        "９１１１００００６０００３７３４１Ｌ",
        "91110000600037341l",
        " 9111 0000 6000 3734 1L ",
        "91110000-60003734-1L",
        "91110000–600037341L",
        "91110000\u3000600037341L",
        "91110000\u200b600037341L",
    ],
)
def test_width_case_spaces_and_dashes_do_not_matter(typed: str) -> None:
    assert credit_code.normalise(typed) == "91110000600037341L"


@pytest.mark.parametrize("code", ["", "9111000060003734", "91110000600037341L0"])
def test_a_wrong_length_is_warned_about(code: str) -> None:
    assert credit_code.find_warnings(code) == (credit_code.WRONG_LENGTH,)


@pytest.mark.parametrize("symbol", "IOSVZ中*")
def test_a_symbol_outside_the_standard_is_warned_about(symbol: str) -> None:
    assert credit_code.find_warnings("9111000060003734" + symbol + "L") == (credit_code.WRONG_SYMBOL,)


def test_length_and_symbol_are_warned_about_together() -> None:
    assert credit_code.find_warnings("OOPS") == (credit_code.WRONG_LENGTH, credit_code.WRONG_SYMBOL)


@given(bodies)
def test_every_body_has_one_check_character_that_fits(body: str) -> None:
    fitting = [
        each for each in credit_code.ALPHABET if credit_code.WRONG_CHECK not in credit_code.find_warnings(body + each)
    ]

    assert fitting == [credit_code.check_character(body)]


@given(st.text("0123456789", min_size=8, max_size=8), st.text(credit_code.ALPHABET, min_size=9, max_size=9))
def test_the_check_character_agrees_with_another_implementation(digits: str, rest: str) -> None:
    # given a body that the other implementation takes: it wants digits in the first eight places
    code = digits + rest + credit_code.check_character(digits + rest)

    try:
        assert uscc.validate(code) == code
    except ValidationError as error:  # pragma: no cover - only when the two disagree
        pytest.fail(f"{code}: {error!r}")


@example("U\u00a8")  # a letter and a sign that join once the space inside the sign is gone
@given(st.text(max_size=60))
def test_nothing_is_ever_refused(text: str) -> None:
    normal = credit_code.normalise(text)

    assert isinstance(credit_code.find_warnings(normal), tuple)
    assert credit_code.normalise(normal) == normal
