"""The founding of an alliance: what a founding file says, and the rules it must keep (art. 1, 9, 10, 11).

A value that could not be read arrives here as an empty text, zero, or `UNREADABLE_DATE`; whoever read it has named
that fault already, so the rules pass over it and every other fault is still found. Reads no files, stores nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from shared.errors import Fault

UNREADABLE_DATE = date.min

DIRECTOR = "director"
VICE_DIRECTOR = "vice_director"
COMMITTEE_MEMBER = "committee_member"
#: Where each office stands in a founding file.
SECTION_OF_OFFICE = {DIRECTOR: "director", VICE_DIRECTOR: "vice_directors", COMMITTEE_MEMBER: "members"}
#: What staff may be. "representative" and "committee" are not given: they follow from the unit and its seat.
STAFF_ROLES = frozenset({"secretariat", "treasurer", "operator", "authority"})


@dataclass(frozen=True)
class Person:
    """Somebody who gets an account."""

    name: str
    title: str
    username: str


@dataclass(frozen=True)
class FoundingUnit:
    """An organisation on the first roster. `profile` holds what it told about itself besides."""

    number: int
    name: str
    kind: str
    county: str
    credit_code: str
    representative: Person
    profile: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seat:
    """A seat of the first executive committee; units are named by their number, 0 is nobody."""

    office: str
    unit: int
    put_forward_by: int = 0


@dataclass(frozen=True)
class StaffMember:
    """Somebody who works for the alliance without representing a unit."""

    person: Person
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Founding:
    """A whole founding file. The term includes its first day and excludes its last."""

    name: str
    number_prefix: str
    founded_on: date
    sme_centre: int
    window_platform: int
    term_from: date
    term_to: date
    seats: tuple[Seat, ...]
    secretary_general: Person
    staff: tuple[StaffMember, ...]
    units: tuple[FoundingUnit, ...]


@dataclass(frozen=True)
class FoundingRules:
    """What the charter demands of a founding. What is empty is not known without the charter, and not checked.

    `nominators` are the names of the units that put an office forward, in the languages the charter has.
    """

    name: str = ""
    number_prefix: str = ""
    kinds: frozenset[str] = frozenset()
    counties: frozenset[str] = frozenset()
    nominators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seats: Mapping[str, int] = field(
        default_factory=lambda: {DIRECTOR: 1, VICE_DIRECTOR: 2, COMMITTEE_MEMBER: 4}  # art. 9
    )
    term_years: int = 4  # art. 10


def faults_of_founding(founding: Founding, rules: FoundingRules) -> tuple[Fault, ...]:
    """Every rule the founding breaks, with the field that breaks it; none when it may go ahead."""
    return (
        *_alliance_faults(founding, rules),
        *_number_faults(founding.units),
        *_catalogue_faults(founding.units, rules),
        *_duplicate_faults(founding),
        *_named_unit_faults(founding, rules),
        *_seat_count_faults(founding.seats, rules),
        *_seat_faults(founding),
        *_term_faults(founding, rules),
        *_staff_faults(founding.staff),
    )


def years_later(day: date, years: int) -> date:
    """The same day some years on; 29 February becomes 1 March where that year has none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def _number_faults(units: Sequence[FoundingUnit]) -> Iterator[Fault]:
    # The roster gives out its numbers in this order without gaps, so a number in the file is a promise to keep.
    for place, unit in enumerate(units, start=1):
        if unit.number not in {0, place}:
            yield Fault("founding.number_out_of_order", f"units[{place}].number", {"expected": place})


def _catalogue_faults(units: Sequence[FoundingUnit], rules: FoundingRules) -> Iterator[Fault]:
    for place, unit in enumerate(units, start=1):
        if rules.kinds and unit.kind and unit.kind not in rules.kinds:
            known = ", ".join(sorted(rules.kinds))
            yield Fault("founding.unknown_kind", f"units[{place}].kind", {"kind": unit.kind, "known": known})
        if rules.counties and unit.county and unit.county not in rules.counties:
            known = ", ".join(sorted(rules.counties))
            yield Fault("founding.unknown_county", f"units[{place}].county", {"county": unit.county, "known": known})


def _duplicate_faults(founding: Founding) -> Iterator[Fault]:
    places = {f"units[{place}]": unit for place, unit in enumerate(founding.units, start=1)}
    yield from _repeated("founding.duplicate_unit", {f"{at}.name": unit.name for at, unit in places.items()})
    codes = {f"{at}.credit_code": unit.credit_code for at, unit in places.items()}
    yield from _repeated("founding.duplicate_credit_code", codes)
    people = {f"{at}.representative.username": unit.representative for at, unit in places.items()}
    people["secretariat.secretary_general.username"] = founding.secretary_general
    people |= {
        f"secretariat.staff[{place}].username": staff.person for place, staff in enumerate(founding.staff, start=1)
    }
    names = {at: person.username for at, person in people.items()}
    yield from _repeated("founding.duplicate_username", names)
    # An admitted unit's representative signs in with the member number; a name that took it would block the admission.
    number = re.compile(re.escape(founding.number_prefix.casefold()) + r"-\d+")
    for at, username in names.items():
        if founding.number_prefix and number.fullmatch(username.casefold()):
            yield Fault("founding.username_like_number", at, {"value": username})


def _repeated(code: str, values: Mapping[str, str]) -> Iterator[Fault]:
    first_at: dict[str, str] = {}
    for at, value in values.items():
        # Width and case make no second unit, and no second account either.
        same = unicodedata.normalize("NFKC", value).casefold()
        if not same:
            continue
        if same in first_at:
            yield Fault(code, at, {"value": value, "first": first_at[same]})
        else:
            first_at[same] = at


def _alliance_faults(founding: Founding, rules: FoundingRules) -> Iterator[Fault]:
    for at, told, expected in (
        ("name", founding.name, rules.name),
        ("number_prefix", founding.number_prefix, rules.number_prefix),
    ):
        if told and expected and told != expected:
            yield Fault("founding.not_the_charters", f"alliance.{at}", {"expected": expected})


def _named_unit_faults(founding: Founding, rules: FoundingRules) -> Iterator[Fault]:
    total = len(founding.units)
    for at, number, office in (
        ("alliance.sme_centre", founding.sme_centre, DIRECTOR),
        ("alliance.window_platform", founding.window_platform, VICE_DIRECTOR),
    ):
        named = rules.nominators.get(office, ())
        if number > total:
            yield Fault("founding.unknown_unit", at, {"unit": number, "units": total})
        elif number and named and founding.units[number - 1].name not in {"", *named}:
            yield Fault("founding.not_the_charters", at, {"expected": named[0]})


def _seat_count_faults(seats: Sequence[Seat], rules: FoundingRules) -> Iterator[Fault]:
    filled = Counter(seat.office for seat in seats)
    for office, demanded in rules.seats.items():
        if filled[office] != demanded:
            at = f"committee.{SECTION_OF_OFFICE[office]}"
            yield Fault("founding.seats", at, {"found": filled[office], "demanded": demanded})


def _seat_faults(founding: Founding) -> Iterator[Fault]:
    total = len(founding.units)
    taken: dict[int, str] = {}
    for at, seat in places_of_seats(founding.seats):
        if seat.unit > total:
            yield Fault("founding.unknown_unit", f"{at}.unit", {"unit": seat.unit, "units": total})
        elif seat.unit and seat.unit in taken:
            yield Fault("founding.second_seat", f"{at}.unit", {"unit": seat.unit, "first": taken[seat.unit]})
        else:
            taken[seat.unit] = at
        yield from _nomination_faults(founding, at, seat)


def _nomination_faults(founding: Founding, at: str, seat: Seat) -> Iterator[Fault]:
    """Art. 9: the SME centre puts the director forward, the window platform the vice-director units."""
    entitled = {DIRECTOR: founding.sme_centre, VICE_DIRECTOR: founding.window_platform}.get(seat.office, 0)
    if not 0 < entitled <= len(founding.units):
        entitled = seat.put_forward_by
    if seat.put_forward_by and seat.put_forward_by != entitled:
        code = "founding.director_nomination" if seat.office == DIRECTOR else "founding.vice_director_nomination"
        params: dict[str, str | int] = {"unit": seat.put_forward_by, "entitled": entitled}
        yield Fault(code, f"{at}.put_forward_by", params)
    elif seat.put_forward_by > len(founding.units):
        params = {"unit": seat.put_forward_by, "units": len(founding.units)}
        yield Fault("founding.unknown_unit", f"{at}.put_forward_by", params)


def _term_faults(founding: Founding, rules: FoundingRules) -> Iterator[Fault]:
    if founding.term_from == UNREADABLE_DATE:
        return
    if founding.founded_on != UNREADABLE_DATE and founding.term_from < founding.founded_on:
        yield Fault("founding.term_too_early", "committee.term_from", {"founded_on": founding.founded_on.isoformat()})
    expected = years_later(founding.term_from, rules.term_years)
    if founding.term_to not in {UNREADABLE_DATE, expected}:
        params: dict[str, str | int] = {"years": rules.term_years, "expected": expected.isoformat()}
        yield Fault("founding.term_length", "committee.term_to", params)


def _staff_faults(staff: Sequence[StaffMember]) -> Iterator[Fault]:
    for place, each in enumerate(staff, start=1):
        for role in each.roles:
            if role not in STAFF_ROLES:
                known = ", ".join(sorted(STAFF_ROLES))
                yield Fault(
                    "founding.unknown_role", f"secretariat.staff[{place}].roles", {"role": role, "known": known}
                )


def places_of_seats(seats: Sequence[Seat]) -> Iterator[tuple[str, Seat]]:
    """Every seat with the path of its place in the file: `committee.director`, `committee.members[3]`."""
    counts: Counter[str] = Counter()
    for seat in seats:
        counts[seat.office] += 1
        section = SECTION_OF_OFFICE[seat.office]
        yield f"committee.{section}" + ("" if seat.office == DIRECTOR else f"[{counts[seat.office]}]"), seat
