"""What is put together before an alliance is founded: the two files, or one typed step by step, and the setup code.

It is kept like every draft: sealed with the secret of this browser's cookie, which is stored nowhere. Fields carry the
founding file's own paths (`units[3].name`), so that whatever the API finds wrong is shown beside the right one. What
may stand in a field is the API's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import yaml

from services.console.browser import browser

NAME = "founding"
FILE, STEPS = "file", "steps"
#: The steps in their order, each with the address below `/founding`.
SECTIONS = ("charter", "alliance", "units", "offices", "people")
ALLIANCE = ("alliance.name", "alliance.number_prefix", "alliance.founded_on")
NOMINATORS = ("alliance.sme_centre", "alliance.window_platform")
TERM = ("committee.term_from", "committee.term_to")
PERSON = ("name", "title", "username")
UNIT = ("name", "kind", "county", "credit_code")
CONTACT = ("address", "phone", "website")
#: Left out of the file where nothing is typed; everything else is then missing, and the API says so.
OPTIONAL = ("credit_code", *CONTACT)
STAFF_ROLES = ("secretariat", "treasurer", "operator", "authority")
#: Offices of the committee and where they stand in the file; how many seats each has is the charter's to say.
SEATS = {"director": "director", "vice_director": "vice_directors", "committee_member": "members"}
#: Seats shown where no charter says how many.
SEATS_SHOWN = {"director": 1, "vice_director": 2, "committee_member": 4}
#: Nobody's committee is larger, and a page has to be drawn.
SEATS_MAX = 50
_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")
_UNIT = re.compile(r"units\[([0-9]+)\]")
_STAFF = re.compile(r"secretariat\.staff\[([0-9]+)\]")

Typed = dict[str, Any]


@dataclass
class Draft:
    """See the module. `typed` has the texts of the steps by their paths in the file."""

    way: str = FILE
    setup_code: str = ""
    charter: str = ""
    founding: str = ""
    typed: Typed = field(default_factory=dict)
    #: The charter as data, as its check told it: kinds, counties and seats to choose from.
    rules: Mapping[str, Any] | None = None
    #: Idempotency key of the founding: sent again, it is done once, and its answer comes again for a day.
    key: str = ""
    founded: bool = False

    @classmethod
    def load(cls) -> Draft:
        """This browser's, or an empty one."""
        return cls(**(browser().draft(NAME) or {}))

    def keep(self) -> None:
        """For the next page."""
        browser().keep_draft(NAME, asdict(self))

    @property
    def units(self) -> int:
        """How many units are typed."""
        return _highest(_UNIT, self.typed)

    @property
    def staff(self) -> int:
        """How many members of the staff are typed."""
        return _highest(_STAFF, self.typed)

    @property
    def file(self) -> str:
        """The founding file: as it came, or made from the steps."""
        return self.founding if self.way == FILE else founding_file(self.typed)

    def take(self, given: Mapping[str, Any]) -> None:
        """Take over what a step's form holds."""
        self.typed |= given

    def drop_unit(self, number: int) -> None:
        """Remove a unit; the later ones move up, and whoever named them names them still."""
        moved: Typed = {}
        for path, value in self.typed.items():
            unit = _UNIT.match(path)
            if unit is None:
                moved[path] = _renumbered(value, number) if _names_unit(path) else value
            elif (place := int(unit[1])) != number:
                moved[f"units[{place - (place > number)}]{path[unit.end() :]}"] = value
        self.typed = moved

    def take_staff(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """The staff anew, without the rows in which nothing is typed."""
        self.typed = {path: value for path, value in self.typed.items() if not _STAFF.match(path)}
        for place, row in enumerate((row for row in rows if any(row.values())), start=1):
            self.typed |= {f"secretariat.staff[{place}].{name}": value for name, value in row.items()}


def seats_of(rules: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Every seat of the committee as (office, path in the file), as many as the charter has."""
    counts = SEATS_SHOWN | {
        str(each["office"]): min(int(each["count"]), SEATS_MAX)
        for each in (rules or {}).get("seats", ())
        if each.get("office") in SEATS
    }
    return [
        (office, f"committee.{place}" + ("" if office == "director" else f"[{number}]"))
        for office, place in SEATS.items()
        for number in range(1, counts[office] + 1)
    ]


def section_of(path: str) -> str:
    """The step on which a path of the file is typed, as the address below `/founding`."""
    if unit := _UNIT.match(path):
        return f"units/{unit[1]}"
    if path.startswith("units"):
        return "units"
    if path.startswith("secretariat"):
        return "people"
    return "offices" if path.startswith("committee") or path in NOMINATORS else "alliance"


def founding_file(typed: Typed) -> str:
    """The file that these texts make, as somebody would have written it."""
    whole: dict[str, Any] = {"format": 1, "alliance": {}, "committee": {}, "secretariat": {"staff": []}, "units": []}
    nominators = {"committee.director": NOMINATORS[0], "committee.vice_directors": NOMINATORS[1]}
    for path, value in typed.items():
        if not value and path.rpartition(".")[2] in OPTIONAL:
            continue
        _put(whole, path, _written(path, value))
        for seats, nominator in nominators.items():
            if path.startswith(seats) and path.endswith(".unit") and typed.get(nominator):
                _put(whole, path.removesuffix("unit") + "put_forward_by", _written(path, typed[nominator]))
    whole["units"] = [{"number": place, **unit} for place, unit in enumerate(whole["units"], start=1)]
    text: str = yaml.safe_dump(whole, allow_unicode=True, sort_keys=False, explicit_end=True, width=1_000)
    return text


def _written(path: str, value: Any) -> Any:
    return int(value) if _names_unit(path) and str(value).isdecimal() and len(str(value)) < 7 else value


def _put(whole: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path such as `units[3].representative.name`; lists grow by one at most."""
    steps: list[str | int] = [name or int(place) - 1 for name, place in _STEP.findall(path)]
    current: Any = whole
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        inner: Any = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(step, str):
            current = current.setdefault(step, inner)
        else:
            if step >= len(current):
                current.append(inner)
            current = current[min(step, len(current) - 1)]


def _highest(pattern: re.Pattern[str], typed: Typed) -> int:
    return max((int(found[1]) for path in typed if (found := pattern.match(path))), default=0)


def _names_unit(path: str) -> bool:
    return path in NOMINATORS or path.endswith((".unit", ".put_forward_by"))


def _renumbered(value: str, dropped: int) -> str:
    if not value.isdecimal() or int(value) < dropped:
        return value
    return "" if int(value) == dropped else str(int(value) - 1)
