"""From marshmallow's messages to codes: every fault of a form gets a stable code and a text in the caller's language.

marshmallow says what is wrong in English sentences. We keep its validators, which everybody knows, and recognise
the sentences by pattern; a test walks through all of its messages, so that an upgrade which rewords one is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Self

import marshmallow as ma

from shared.errors import Fault
from shared.web.json_bodies import shown

#: Faults told at most; a form with more is told these.
FAULTS_MAX = 50
#: Code of a fault whose message is neither marshmallow's nor a key of the catalogue.
OTHER = "input.invalid_value"

_EXACT = {
    "Missing data for required field.": "input.required",
    "Field may not be null.": "input.null",
    "Invalid value.": "input.invalid_value",
    "Invalid input.": "input.invalid_value",
    "Unknown field.": "input.unknown_field",
    "Invalid input type.": "input.not_an_object",
    "Invalid type.": "input.not_an_object",
    "Not a valid mapping type.": "input.not_an_object",
    "Not a valid list.": "input.not_a_list",
    "Not a valid tuple.": "input.not_a_list",
    "Not a valid string.": "input.not_text",
    "Not a valid utf-8 string.": "input.not_text",
    "Not a valid number.": "input.not_a_number",
    "Number too large.": "input.number_too_large",
    "Special numeric values (nan or infinity) are not permitted.": "input.not_a_number",
    "Not a valid integer.": "input.not_a_whole_number",
    "Not a valid boolean.": "input.not_true_or_false",
    "Not a valid UUID.": "input.not_an_id",
    "Not a valid date.": "input.not_a_date",
    "Not a valid period of time.": "input.not_a_duration",
    "Not a valid URL.": "input.not_a_url",
    "Not a valid email address.": "input.not_an_email_address",
    "String does not match expected pattern.": "input.wrong_form",
}
_PATTERNS = [
    (re.compile(r"Not a valid (?:\w+ )?(?:datetime|time|date)\."), "input.not_a_time"),
    (re.compile(r"Not a valid IP(?:v4|v6)? (?:address|interface)\."), "input.not_an_ip_address"),
    (re.compile(r"Shorter than minimum length (?P<min>\d+)\."), "input.too_short"),
    (re.compile(r"Longer than maximum length (?P<max>\d+)\."), "input.too_long"),
    (re.compile(r"Length must be between (?P<min>\d+) and (?P<max>\d+)\."), "input.wrong_length"),
    (re.compile(r"Length must be (?P<equal>\d+)\."), "input.wrong_exact_length"),
    (re.compile(r"Must be (?P<bound>(?:greater|less) than .+)\."), "input.out_of_range"),
    (re.compile(r"Must be one of: (?P<choices>.*)\.", re.DOTALL), "input.not_a_choice"),
    (
        re.compile(r"One or more of the choices you made was (?:not )?in: (?P<choices>.*)\.", re.DOTALL),
        "input.not_a_choice",
    ),
    (re.compile(r"Must be equal to (?P<other>.*)\.", re.DOTALL), "input.not_equal"),
    (re.compile(r"\".*\" cannot be formatted as .*\.|.* cannot be formatted as a timedelta\.", re.DOTALL), OTHER),
]
_BOUNDS = (
    ("greater than or equal to ", "≥ "),
    ("greater than ", "> "),
    ("less than or equal to ", "≤ "),
    ("less than ", "< "),
)


class Complaint(str):
    """A validation message that carries its own code and parameters."""

    __slots__ = ("params",)
    params: dict[str, str | int]

    def __new__(cls, code: str, params: Mapping[str, str | int]) -> Self:
        """The text of the string is the code."""
        made = super().__new__(cls, code)
        made.params = dict(params)
        return made


def complain(code: str, **params: str | int) -> ma.ValidationError:
    """The error that a validator of ours raises, e.g. with the code `credit_code.wrong_length` and `length=17`."""
    return ma.ValidationError(Complaint(code, params))


def faults_of(messages: Any) -> list[Fault]:
    """Marshmallow's nested messages as a flat list, in the order of the form."""
    found = [recognise(path, message) for path, message in _flat(messages, ())]
    return found[:FAULTS_MAX]


def recognise(field: str, message: object) -> Fault:
    """The fault that a message stands for."""
    if isinstance(message, Complaint):
        return Fault(str(message), field, message.params)
    text = str(message)
    code = _EXACT.get(text)
    if code is not None:
        return Fault(code, field)
    for pattern, known in _PATTERNS:
        match = pattern.fullmatch(text)
        if match is not None:
            return Fault(known, field, {name: _short(value) for name, value in match.groupdict().items()})
    # A validator of the house that said only a code, or a sentence nobody translated.
    return Fault(text if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", text) else OTHER, field)


def _flat(messages: Any, path: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            # "_schema" is marshmallow's word for the whole of an object.
            yield from _flat(inner, path if name == "_schema" else (*path, str(name)))
    elif isinstance(messages, list | tuple):
        for each in messages:
            yield from _flat(each, path)
    else:
        yield shown(".".join(path)), messages


def _short(value: str) -> str:
    for words, sign in _BOUNDS:
        value = value.replace(words, sign)
    return shown(value.replace(" and ", ", ") if "≥" in value or ">" in value else value, 300)
