"""The application form as people fill it in: its steps and fields, and the way from what was typed to the API's form.

Fields carry the API's names, dots and all, so that what the API finds wrong is shown beside the right one. What may
stand in a field is the API's to say; here only what is empty, too long for it, or no date or number at all is noticed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from services.console.apis import Refused
from services.console.rulebook import Names
from services.console.showing import say
from services.console.wording import money

#: Lengths that the API takes, in characters (docs of membership, `ApplicationRequest`).
NAME, UNIT_NAME, LINE, PARAGRAPH, ESSAY, NUMBER, EMAIL = 50, 100, 200, 1_000, 3_000, 30, 254
#: Longer amounts and numbers are no slip of the finger, and too long to reckon with.
DIGITS_MAX = 18


@dataclass(frozen=True)
class Field:
    """One field. `kind` says how it is typed: text, textarea, choice, select, date, tel, email, url, money, count, list."""

    name: str
    kind: str = "text"
    max: int = LINE
    required: bool = False
    wide: bool = False
    autocomplete: str = ""
    rows: int = 5

    @property
    def label(self) -> str:
        """What it is called."""
        return say(f"label.{self.name}")

    def input_type(self, text: str) -> str:
        """Of its input. A browser's date field shows nothing of a text that is no date, and would send it back empty."""
        if self.kind == "date" and text and not _ISO_DATE.fullmatch(text):
            return "text"
        return {"money": "text", "count": "text"}.get(self.kind, self.kind)


@dataclass(frozen=True)
class Group:
    """Fields under one heading, `apply.group.<name>`."""

    name: str
    fields: tuple[Field, ...]


def _person(whose: str, *more: Field, title_required: bool = True) -> Group:
    name = Field(f"{whose}.name", max=NAME, required=title_required)
    return Group(whose, (name, Field(f"{whose}.title", max=NAME, required=title_required), *more))


STEPS: Mapping[str, tuple[Group, ...]] = {
    "unit": (
        Group(
            "unit",
            (
                Field("unit_name", max=UNIT_NAME, required=True, wide=True, autocomplete="organization"),
                Field("credit_code", max=40, required=True, wide=True),
                Field("kind", kind="choice", max=40, required=True, wide=True),
                Field("county", kind="select", max=40, required=True, wide=True),
            ),
        ),
    ),
    "people": (
        _person("legal_representative"),
        _person(
            "representative",
            Field("representative.mobile", kind="tel", max=NUMBER, required=True),
            Field("representative.email", kind="email", max=EMAIL, required=True),
        ),
        _person(
            "contact",
            Field("contact.mobile", kind="tel", max=NUMBER),
            Field("contact.phone", kind="tel", max=NUMBER),
            Field("contact.email", kind="email", max=EMAIL),
            title_required=False,
        ),
    ),
    "business": (
        Group(
            "reach",
            (
                Field("address", required=True, wide=True, autocomplete="street-address"),
                Field("postcode", max=20, autocomplete="postal-code"),
                Field("phone", kind="tel", max=NUMBER),
                Field("fax", kind="tel", max=NUMBER),
                Field("email", kind="email", max=EMAIL),
                Field("website", kind="url", wide=True, autocomplete="url"),
            ),
        ),
        Group(
            "business",
            (
                Field("established_on", kind="date"),
                Field("headcount", kind="count"),
                Field("registered_capital_fen", kind="money", wide=True),
                Field("main_business", kind="textarea", max=PARAGRAPH, required=True, wide=True, rows=4),
                Field("service_fields", kind="list", max=PARAGRAPH, wide=True, rows=3),
            ),
        ),
    ),
    "about": (
        Group(
            "about",
            (
                Field("introduction", kind="textarea", max=ESSAY, required=True, wide=True, rows=8),
                Field("honours", kind="textarea", max=ESSAY, wide=True, rows=4),
                Field("recommender", wide=True),
                Field("reason", kind="textarea", max=ESSAY, required=True, wide=True, rows=5),
            ),
        ),
    ),
}
FIELDS: Mapping[str, Field] = {
    each.name: each for groups in STEPS.values() for group in groups for each in group.fields
}
STEP_OF: Mapping[str, str] = {
    each.name: step for step, groups in STEPS.items() for group in groups for each in group.fields
}
#: Faults of a whole that are shown beside one of its parts.
_SHOWN_AT = {"contact": "contact.mobile"}
#: Where the API's words are for programs (codes, fen), ours take their place.
_OUR_WORDS = {
    "registered_capital_fen": "apply.fault.money",
    "headcount": "apply.fault.count",
    "kind": "apply.fault.choice",
    "county": "apply.fault.choice",
}
_LIST_MARKS = re.compile(r"[\n、，,；;]")
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_ISO_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?)(亿|万)?元?")
_COUNT = re.compile(r"(-?\d+)人?")
_TIMES = {None: 1, "万": 10_000, "亿": 100_000_000}


def fields_of(step: str) -> Iterable[Field]:
    """The fields of a step, in their order."""
    return (each for group in STEPS[step] for each in group.fields)


def form_of(typed: Mapping[str, str]) -> dict[str, Any]:
    """What the API is sent. What is no date or number goes as it is: the API names the field that it refuses."""
    form: dict[str, Any] = {"legal_representative": {}, "representative": {}}
    for name, field in FIELDS.items():
        text = typed.get(name, "")
        if text.strip():
            _put(form, name, _value(field, text))
    return form


def corrections_of(before: Mapping[str, str], typed: Mapping[str, str]) -> dict[str, Any]:
    """Only what was changed, as the API takes it. What was emptied is sent empty: the API says whether it may be."""
    corrections: dict[str, Any] = {}
    for name, field in FIELDS.items():
        text = typed.get(name, before.get(name, ""))
        if _value(field, text) != _value(field, before.get(name, "")):
            _put(corrections, name, _value(field, text))
    return corrections


def typed_of(form: Mapping[str, Any]) -> dict[str, str]:
    """A form of the API as it would have been typed."""
    typed = {}
    for name, field in FIELDS.items():
        whole, _, part = name.partition(".")
        value = (form.get(whole) or {}).get(part) if part else form.get(name)
        if value is not None:
            typed[name] = _typed(field, value)
    return typed


def rows_of(step: str, typed: Mapping[str, str], names: Names) -> list[tuple[Group, list[tuple[Field, str]]]]:
    """A step to be read: every field with what is shown of it, an empty text where nothing was typed."""
    return [
        (group, [(each, _shown(each, typed.get(each.name, ""), names)) for each in group.fields])
        for group in STEPS[step]
    ]


def is_missing(step: str, typed: Mapping[str, str]) -> list[Field]:
    """What the form needs and nobody has typed yet."""
    return [each for each in fields_of(step) if each.required and not typed.get(each.name, "").strip()]


def look_over(step: str, typed: Mapping[str, str], *, without: Iterable[str] = ()) -> Refused | None:
    """What anybody can see is wrong with a step, before the API is asked; `without` fields that could not be filled in."""
    found = [
        {"field": each.name, "message": fault}
        for each in fields_of(step)
        if each.name not in without and (fault := _fault(each, typed.get(each.name, "")))
    ]
    return refusal(found, "apply.look_again") if found else None


def refusal(faults: Sequence[Mapping[str, str]], detail: str = "apply.look_over") -> Refused:
    """The same as an API's, made here."""
    return Refused("", HTTPStatus.UNPROCESSABLE_ENTITY, {"detail": say(detail), "errors": faults})


def in_form(refused: Refused) -> Refused:
    """The API's refusal with every fault at the field that shows it, one for each."""
    faults: dict[str, Mapping[str, Any]] = {}
    for each in refused.faults:
        field = str(each.get("field", "")).removeprefix("corrections.")
        field = _SHOWN_AT.get(field, field)
        field = "service_fields" if field.startswith("service_fields.") else field
        ours = _OUR_WORDS.get(field)
        faults.setdefault(field, {**each, "field": field, **({"message": say(ours)} if ours else {})})
    problem = {
        "code": refused.code,
        "detail": refused.detail,
        "article": refused.article,
        "request_id": refused.request_id,
    }
    return Refused(refused.service, refused.status, {**problem, "errors": list(faults.values())}, refused.retry_after)


def _fault(field: Field, text: str) -> str:
    if not text.strip():
        return say("apply.fault.missing") if field.required else ""
    if len(text.strip()) > field.max:
        return say("apply.fault.long", max=field.max, length=len(text.strip()))
    if field.kind in ("money", "count"):
        number = _value(field, text)
        return "" if isinstance(number, int) and number >= 0 else say(f"apply.fault.{field.kind}")
    if field.kind == "date" and _DATE.fullmatch(_plain(text)) is None:
        return say("apply.fault.date")
    return ""


def _value(field: Field, text: str) -> Any:
    text = text.strip()
    if field.kind == "money":
        return _fen(text)
    if field.kind == "count":
        found = _COUNT.fullmatch(_plain(text))
        return int(found[1]) if found and len(found[1]) <= DIGITS_MAX else text
    if field.kind == "date":
        found = _DATE.fullmatch(_plain(text))
        return f"{found[1]}-{int(found[2]):02d}-{int(found[3]):02d}" if found else text
    if field.kind == "list":
        return [each.strip() for each in _LIST_MARKS.split(text) if each.strip()]
    return text


def _fen(text: str) -> int | str:
    """`500 万元`, `5,000,000`, `1234.50` in fen; the text where it is no amount of whole fen."""
    found = _AMOUNT.fullmatch(_plain(text))
    if found is None or len(found[1]) > DIGITS_MAX:
        return text
    fen = Decimal(found[1]) * _TIMES[found[2]] * 100
    return int(fen) if fen == fen.to_integral_value() else text


def _plain(text: str) -> str:
    return re.sub(r"[\s,]", "", unicodedata.normalize("NFKC", text))


def _typed(field: Field, value: Any) -> str:
    if field.kind == "list":
        return "\n".join(str(each) for each in value)
    if field.kind == "money":
        return money(int(value))
    return str(value)


def _shown(field: Field, text: str, names: Names) -> str:
    value = _value(field, text)
    if not text.strip():
        return ""
    if field.name == "kind":
        return names.kind(text)
    if field.name == "county":
        return names.county(text)
    if field.kind == "money":
        return say("apply.yuan", amount=money(value)) if isinstance(value, int) else text
    return "、".join(value) if field.kind == "list" else str(value)


def _put(form: dict[str, Any], name: str, value: Any) -> None:
    whole, _, part = name.partition(".")
    if part:
        form.setdefault(whole, {})[part] = value
    else:
        form[name] = value
