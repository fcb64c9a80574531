"""What an application must say. Shape and type are checked before (schemas/applications.py); here is the content.

The kinds of unit and the counties are the charter's, never constants. Every fault names its field.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from services.membership.domain import credit_code
from shared.errors import Fault, Invalid

#: A form's values as JSON holds them: dates are ISO texts, amounts integers.
Form = Mapping[str, Any]

#: Longest texts, in characters. Names follow the registration authorities' forms; the long texts are one page and
#: three pages of print.
UNIT_NAME_LENGTH_MAX = 100
NAME_LENGTH_MAX = 50
LINE_LENGTH_MAX = 200
PARAGRAPH_LENGTH_MAX = 1_000
ESSAY_LENGTH_MAX = 3_000
#: Room for spaces and dashes around the 18 characters.
CREDIT_CODE_LENGTH_MAX = 40
EMAIL_LENGTH_MAX = 254
SERVICE_FIELDS_MAX = 20
#: Registered capital: 10 trillion yuan, beyond any company; keeps the number within 64 bits.
CAPITAL_FEN_MAX = 10**15
HEADCOUNT_MAX = 10_000_000
#: Nothing that applies is older; an earlier year is a slip of the finger.
ESTABLISHED_MIN = date(1800, 1, 1)

#: What the roster shows of a form. The mobile numbers and addresses of persons stay in the application.
ROSTER_PROFILE = (
    "address",
    "phone",
    "website",
    "established_on",
    "main_business",
    "introduction",
    "honours",
    "service_fields",
)

#: China keeps one time zone and no summer time: a date on a form is a date there.
CHINA = timezone(timedelta(hours=8))

_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_MOBILE = re.compile(r"1[3-9][0-9]{9}|\+(?!86)[1-9][0-9]{6,14}")
_PHONE = re.compile(r"\+?[0-9][0-9()*#, /-]{4,28}")
_POSTCODE = re.compile(r"[0-9]{6}")
_WEBSITE = re.compile(r"https?://[^\s/@]+\.[^\s/@]+(/\S*)?", re.IGNORECASE)

_PERSONS = ("legal_representative", "representative", "contact")


@dataclass(frozen=True)
class CharterTerms:
    """The sections of the charter in force that a form is held against."""

    version: int
    kinds: frozenset[str]
    counties: frozenset[str]


@dataclass(frozen=True)
class CheckedForm:
    """A form that may be taken: normalised, with the warnings the secretariat must look at."""

    form: Mapping[str, Any]
    warnings: tuple[str, ...]


def check_form(form: Form, terms: CharterTerms, now: datetime) -> CheckedForm:
    """Normalise and check. Invalid `input.invalid` with one Fault per wrong field."""
    clean = _normalised(form)
    faults = [
        *_faults_of_unit(clean, terms),
        *_faults_of_persons(clean),
        *_faults_of_contacts("", clean),
        *_faults_of_figures(clean, now.astimezone(CHINA).date()),
    ]
    if faults:
        raise Invalid.of(faults, article="6(1)")
    return CheckedForm(clean, credit_code.find_warnings(clean["credit_code"]))


def merge_corrections(form: Form, corrections: Form) -> dict[str, Any]:
    """The form with the corrected fields in place; a person is corrected field by field."""
    merged = dict(form)
    for name, value in corrections.items():
        before = merged.get(name)
        merged[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, Mapping) else value
    return merged


def roster_profile(form: Form) -> dict[str, Any]:
    """What the roster shows of the form: the unit, and its representatives by name and title only."""
    shown = {name: form[name] for name in ROSTER_PROFILE if form.get(name) is not None}
    for person in ("legal_representative", "representative"):
        shown[person] = {name: form[person][name] for name in ("name", "title")}
    return shown


def _normalised(form: Form) -> dict[str, Any]:
    clean = {name: value for name, value in form.items() if value is not None}
    clean["credit_code"] = credit_code.normalise(clean["credit_code"])
    for name in _PERSONS:
        if name in clean:
            clean[name] = _with_plain_numbers({k: v for k, v in clean[name].items() if v is not None})
    return _with_plain_numbers(clean)


def _with_plain_numbers(fields: dict[str, Any]) -> dict[str, Any]:
    for name in ("mobile", "phone", "fax", "postcode", "email", "website"):
        if name in fields:
            fields[name] = unicodedata.normalize("NFKC", fields[name]).strip()
    if "mobile" in fields:
        fields["mobile"] = re.sub(r"[\s-]", "", fields["mobile"]).removeprefix("+86")
    return fields


def _faults_of_unit(form: Form, terms: CharterTerms) -> list[Fault]:
    faults = []
    if not form["credit_code"]:
        faults.append(Fault("form.missing", "credit_code"))
    elif len(form["credit_code"]) > CREDIT_CODE_LENGTH_MAX:
        faults.append(Fault("form.too_long", "credit_code", {"max": CREDIT_CODE_LENGTH_MAX}))
    if form["kind"] not in terms.kinds:
        faults.append(Fault("form.kind_unknown", "kind", {"allowed": ", ".join(sorted(terms.kinds))}))
    if form["county"] not in terms.counties:
        faults.append(Fault("form.county_unknown", "county", {"allowed": ", ".join(sorted(terms.counties))}))
    if form["charter_pledge"] is not True:
        faults.append(Fault("form.pledge_needed", "charter_pledge"))
    return faults


def _faults_of_persons(form: Form) -> list[Fault]:
    faults = []
    for person in _PERSONS:
        if person in form:
            faults += _faults_of_contacts(f"{person}.", form[person])
    contact = form.get("contact")
    if contact and not any(contact.get(way) for way in ("mobile", "phone", "email")):
        faults.append(Fault("form.contact_unreachable", "contact"))
    return faults


def _faults_of_contacts(prefix: str, fields: Form) -> list[Fault]:
    faults = []
    for name, fits in _CONTACT_RULES.items():
        if fields.get(name) and not fits(fields[name]):
            faults.append(Fault(f"form.{'phone' if name == 'fax' else name}", prefix + name))
    return faults


def _faults_of_figures(form: Form, today: date) -> list[Fault]:
    faults = []
    if "established_on" in form:
        established = date.fromisoformat(form["established_on"])
        if established > today:
            faults.append(Fault("form.in_future", "established_on"))
        elif established < ESTABLISHED_MIN:
            faults.append(Fault("form.too_early", "established_on", {"min": ESTABLISHED_MIN.isoformat()}))
    for name, limit in (("registered_capital_fen", CAPITAL_FEN_MAX), ("headcount", HEADCOUNT_MAX)):
        if not 0 <= form.get(name, 0) <= limit:
            faults.append(Fault("form.out_of_range", name, {"min": 0, "max": limit}))
    return faults


def _is_email(text: str) -> bool:
    return len(text) <= EMAIL_LENGTH_MAX and _EMAIL.fullmatch(text) is not None


#: Field name → whether a text can be that. Deliverability is found out by delivering.
_CONTACT_RULES: Mapping[str, Callable[[str], bool]] = {
    "email": _is_email,
    "mobile": lambda text: _MOBILE.fullmatch(text) is not None,
    "phone": lambda text: _PHONE.fullmatch(text) is not None,
    "fax": lambda text: _PHONE.fullmatch(text) is not None,
    "postcode": lambda text: _POSTCODE.fullmatch(text) is not None,
    "website": lambda text: _WEBSITE.fullmatch(text) is not None,
}
