"""Faults of forms: every message that marshmallow can say has a code and words in both languages."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import marshmallow as ma
import pytest
from marshmallow import fields, validate

from shared.web.validation import OTHER, complain, faults_of, recognise

TEXTS = Path(__file__).parents[3] / "shared" / "texts"
#: Placeholders of marshmallow's templates, with values as they occur.
VALUES = {
    "obj_type": "datetime", "awareness": "aware", "input": "x", "choices": "a, b", "choices_text": "a, b", "values": "a, b",
    "min": "1", "max": "9", "equal": "3", "other": "y", "regex": "[a-z]",
}  # fmt: skip


def field_messages() -> Iterator[tuple[str, str]]:
    """Every default message of every field class, and of schemas."""
    for name, cls in inspect.getmembers(fields, inspect.isclass):
        for key, template in getattr(cls, "default_error_messages", {}).items():
            yield f"{name}.{key}", template.format(**VALUES)
    for key, template in ma.Schema._default_error_messages.items():
        yield f"Schema.{key}", template


def validator_messages() -> Iterator[tuple[str, str]]:
    """What each validator says of a value it refuses."""
    refused: list[tuple[validate.Validator, Any]] = [
        (validate.Length(min=3), "x"),
        (validate.Length(max=1), "xx"),
        (validate.Length(min=2, max=3), "x"),
        (validate.Length(equal=3), "x"),
        (validate.Range(min=1), 0),
        (validate.Range(max=1), 2),
        (validate.Range(min=1, max=2), 0),
        (validate.Range(min=1, min_inclusive=False), 0),
        (validate.Range(max=1, max_inclusive=False), 2),
        (validate.OneOf(["a", "b.c"]), "x"),
        (validate.NoneOf(["x"]), "x"),
        (validate.ContainsOnly(["a"]), ["x"]),
        (validate.ContainsNoneOf(["x"]), ["x"]),
        (validate.Equal("a"), "x"),
        (validate.Regexp("a"), "x"),
        (validate.Email(), "x"),
        (validate.URL(), "x"),
        (validate.Predicate("isdigit"), "x"),
    ]
    for validator, value in refused:
        with pytest.raises(ma.ValidationError) as error:
            validator(value)
        yield repr(validator), str(error.value.messages[0])


MESSAGES = dict([*field_messages(), *validator_messages()])
#: Said only by fields that dump; nobody is told.
DUMPING = re.compile(r".*\.format")


@pytest.mark.parametrize("name", [each for each in MESSAGES if not DUMPING.fullmatch(each)])
def test_every_message_of_marshmallow_has_a_code_with_words(name: str) -> None:
    fault = recognise("field", MESSAGES[name])

    generic = name.endswith("validator_failed") or "Predicate" in name or "NoneOf" in name
    assert generic or fault.code != OTHER, f"nobody recognises: {MESSAGES[name]}"
    for language in ("zh-CN", "en"):
        text = tomllib.loads((TEXTS / f"{language}.toml").read_text("utf-8"))[fault.code]
        # every placeholder of the text is filled by this message
        assert text.format(**fault.params)


def test_a_range_is_told_with_signs_in_every_language() -> None:
    (fault,) = faults_of({"limit": ["Must be greater than or equal to 1 and less than or equal to 100."]})

    assert (fault.code, fault.params) == ("input.out_of_range", {"bound": "≥ 1, ≤ 100"})


def test_nested_messages_become_dotted_paths() -> None:
    messages = {
        "lines": {0: {"amount": ["Missing data for required field."]}, 3: ["Unknown field."]},
        "_schema": ["Invalid value."],
    }

    assert [(each.field, each.code) for each in faults_of(messages)] == [
        ("lines.0.amount", "input.required"),
        ("lines.3", "input.unknown_field"),
        ("", "input.invalid_value"),
    ]


def test_a_validator_of_ours_keeps_its_code_and_parameters() -> None:
    def wrong(_value: str) -> None:
        raise complain("credit_code.wrong_length", length=17)

    schema = ma.Schema.from_dict({"code": fields.String(validate=wrong)})()

    (fault,) = faults_of(schema.validate({"code": "x"}))
    assert (fault.field, fault.code, fault.params) == ("code", "credit_code.wrong_length", {"length": 17})


def test_a_bare_code_is_a_code_and_a_bare_sentence_is_not() -> None:
    assert recognise("f", "credit_code.bad").code == "credit_code.bad"
    assert recognise("f", "This is bad.").code == OTHER


def test_at_most_fifty_faults_are_told() -> None:
    assert len(faults_of({str(number): ["Unknown field."] for number in range(1000)})) == 50


def test_a_strange_field_name_is_told_without_harm() -> None:
    (fault,) = faults_of({"a\x1b[31m" + "x" * 500: ["Unknown field."]})

    assert fault.field.isprintable()
    assert len(fault.field) <= 101
