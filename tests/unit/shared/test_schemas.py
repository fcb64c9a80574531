"""Fields: clean text, real numbers, instants with an offset."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest
from marshmallow import ValidationError

from shared.web.schemas import Instant, RequestSchema, ResponseSchema, Text, TrueOrFalse, WholeNumber


class Form(RequestSchema):
    """One field of every sort."""

    name = Text(max=10)
    story = Text(max=100, lines=True)
    note = Text(min=0)
    amount = WholeNumber(maximum=1000)
    debt = WholeNumber(minimum=-5)
    agreed = TrueOrFalse()
    at = Instant(allow_none=True)


def load(**values: Any) -> dict[str, Any]:
    found: dict[str, Any] = Form().load(values)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b",
        "a\x1bb",
        "a\nb",
        "a\tb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "\u202eabc",
        "a\u2066b",
        "\ufeffa",
        "\ud800",
        "a\uffff",
    ],
)
def test_characters_that_have_no_place_in_a_name_are_refused(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        load(name=text)

    assert refused.value.messages == {"name": ["text.forbidden_character"]}


@pytest.mark.parametrize(
    "text",
    ["株洲市天元区", "𠮷野", "O'Brien; DROP TABLE", "<b>x</b>", "{{7*7}}", "../../x", "👩\u200d🏭", "é", "=1+1", "%00"],
)
def test_any_other_text_is_kept_as_the_same_text(text: str) -> None:
    assert load(name=text[:10]) == {"name": text[:10]}


def test_text_is_trimmed_and_composed_before_it_is_measured() -> None:
    decomposed = unicodedata.normalize("NFD", "é" * 10)

    assert load(name=f"  {decomposed}\n") == {"name": "é" * 10}


@pytest.mark.parametrize("text", ["", "   ", "\t", "x" * 11])
def test_too_short_and_too_long_text_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        load(name=text)


def test_lines_are_allowed_where_a_story_is_asked_for() -> None:
    assert load(story="one\r\ntwo\rthree\n\n") == {"story": "one\ntwo\nthree"}
    with pytest.raises(ValidationError):
        load(story="a\x00b")


def test_text_may_be_empty_where_the_form_says_so() -> None:
    assert load(note="") == {"note": ""}


@pytest.mark.parametrize("value", [1, True, None, [], {}, 1.5])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        load(name=value)


@pytest.mark.parametrize(
    "value", ["12", "1e3", 1.0, 1.5, True, False, None, [], {}, -1, 1001, 2**63, 10**30, float("nan"), ""]
)
def test_what_is_no_whole_number_in_range_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        load(amount=value)


@pytest.mark.parametrize("value", [0, 1, 1000])
def test_whole_numbers_in_range_pass(value: int) -> None:
    assert load(amount=value) == {"amount": value}
    assert load(debt=-5) == {"debt": -5}


@pytest.mark.parametrize("value", ["true", "yes", 1, 0, "on", None, []])
def test_only_true_and_false_are_true_or_false(value: Any) -> None:
    with pytest.raises(ValidationError):
        load(agreed=value)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22", "2026-11-22T08:30:00", "yesterday", "", 1, None.__class__, "0001-01-01T00:00:00+23:59",
        "2026-13-01T00:00:00Z", "2026-11-22T08:30:00Z" + " " * 50,
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        load(at=text)

    assert refused.value.messages == {"at": ["input.not_a_time"]}


def test_instants_are_read_with_any_offset_and_answered_in_utc() -> None:
    found = load(at="2026-11-22T16:30:00+08:00")["at"]

    assert found == datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
    assert Form().dump({"at": found}) == {"at": "2026-11-22T08:30:00.000000Z"}
    assert Form().dump({"at": None}) == {"at": None}


def test_unknown_fields_are_refused_in_requests_and_ignored_in_answers() -> None:
    class Answer(ResponseSchema):
        name = Text()

    with pytest.raises(ValidationError):
        load(other=1)
    assert Answer().load({"name": "a", "other": 1}) == {"name": "a"}
