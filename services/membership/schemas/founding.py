"""A founding file, read: from YAML to `domain.founding.Founding`, every fault with its line.

The shape is checked here, the rules in `domain/founding.py`; both report everything they find, so that a secretary
mends a file in one go. A file with any fault gives no founding at all. Stores nothing, prints nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from services.membership.domain import credit_code
from services.membership.domain.founding import (
    COMMITTEE_MEMBER,
    DIRECTOR,
    UNREADABLE_DATE,
    VICE_DIRECTOR,
    Founding,
    FoundingRules,
    FoundingUnit,
    Person,
    Seat,
    StaffMember,
    faults_of_founding,
)
from services.membership.schemas.founding_nodes import (
    Block,
    Entry,
    LinedFault,
    Listing,
    Node,
    NotReadable,
    Scalar,
    read_nodes,
)
from shared.errors import Fault

#: The one format so far; a file says which it is written in, so that a later one can be told apart.
FORMAT = "1"
TEXT_LENGTH_MAX = 100
PERSON_NAME_LENGTH_MAX = 50
#: The roster and the member numbers have four digits.
UNITS_MAX = 9_999

_PERSON = ("name", "title", "username")
_CONTACT = ("address", "phone", "website")
_CODE = re.compile(r"[a-z][a-z0-9_]{1,39}")
_PREFIX = re.compile(r"[A-Z]{1,10}")
_USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,39}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[0-9]{1,6}")
#: No alliance of this kind is older than the republic, and a year beyond this is a slip of the finger.
_YEARS = range(1949, 2200)


class FoundingRefused(Exception):
    """The file founds nothing. `faults` are all that was found, in the order of the file."""

    def __init__(self, faults: Iterable[LinedFault]) -> None:
        self.faults = sorted(faults, key=lambda each: (each.line, each.fault.field, each.fault.code))
        super().__init__(f"{len(self.faults)} faults")


@dataclass(frozen=True)
class FoundingFile:
    """A file without faults. `warnings` (credit codes that look wrong) are for the secretary to look at."""

    founding: Founding
    warnings: tuple[LinedFault, ...]


def read_founding(data: bytes, rules: FoundingRules) -> FoundingFile:
    """Read and judge a founding file. Raises FoundingRefused naming every fault."""
    try:
        node, faults = read_nodes(data)
    except NotReadable as error:
        raise FoundingRefused(error.faults) from error
    sheet = _Sheet(faults)
    founding = _read_file(sheet.root(node))
    unread = {each.fault.field for each in faults if each.fault.code != "founding.no_end_mark"}
    for fault in faults_of_founding(founding, rules):
        if not _only_follows(fault, unread):
            sheet.fault(fault.field, fault.code, **fault.params)
    if sheet.faults:
        raise FoundingRefused(sheet.faults)
    return FoundingFile(founding, tuple(_credit_code_warnings(founding, sheet)))


def _only_follows(fault: Fault, unread: set[str]) -> bool:
    """Whether a rule is broken only because a section could not be read, which is told already."""
    if fault.code == "founding.seats":
        return not unread.isdisjoint({"", "committee", fault.field})
    return fault.code == "founding.unknown_unit" and "units" in unread


@dataclass
class _Sheet:
    """What reading has found so far: the faults, and the line of every field."""

    faults: list[LinedFault] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)

    def root(self, node: Node) -> _Part:
        return _Part.of(self, "", node, ("format", "alliance", "committee", "secretariat", "units"))

    def line_of(self, path: str) -> int:
        """The field's line; of what is not in the file, the line of what it is missing from."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)

    def fault(self, path: str, code: str, **params: str | int) -> None:
        self.faults.append(LinedFault(self.line_of(path), Fault(code, path, params)))


class _Part:
    """A mapping of the file. What it does not have, or has in a wrong type, is a fault and reads as empty."""

    def __init__(self, sheet: _Sheet, path: str, entries: dict[str, Entry], *, known: bool) -> None:
        self.sheet = sheet
        self.path = path
        self._entries = entries
        #: False for a part that is itself missing: that is one fault, not one per field.
        self._known = known

    @classmethod
    def of(cls, sheet: _Sheet, path: str, node: Node, allowed: Iterable[str]) -> _Part:
        sheet.lines.setdefault(path, node.line)
        if not isinstance(node, Block):
            sheet.fault(path, "founding.not_a_mapping")
            return cls(sheet, path, {}, known=False)
        fields = tuple(allowed)
        entries: dict[str, Entry] = {}
        for entry in node.entries:
            at = f"{path}.{entry.key}" if path else entry.key
            if entry.key in entries:
                first = entries[entry.key].line
                fault = Fault("founding.duplicate_key", at, {"first_line": first})
                sheet.faults.append(LinedFault(entry.line, fault))
                continue
            entries[entry.key] = entry
            sheet.lines[at] = entry.line
            if entry.key not in fields:
                sheet.fault(at, "founding.unknown_key", known=", ".join(fields))
        return cls(sheet, path, entries, known=True)

    def text(
        self,
        key: str,
        *,
        shape: re.Pattern[str] | None = None,
        code: str = "",
        optional: bool = False,
        length_max: int = TEXT_LENGTH_MAX,
    ) -> str:
        """The text of a field, trimmed and in NFC; `code` is the fault of a text that has another shape."""
        node = self._node(key, optional=optional)
        if node is None:
            return ""
        if not isinstance(node, Scalar):
            self._fault(key, "founding.not_text")
            return ""
        text = unicodedata.normalize("NFC", node.text).strip()
        if len(text) > length_max or "\n" in text:
            self._fault(key, "founding.text_too_long", length=len(text), length_max=length_max)
            return ""
        if any(unicodedata.category(each).startswith("C") for each in text):
            # YAML's escapes can smuggle in what the file itself may not hold; it would end up in terminals and logs.
            self._fault(key, "founding.control_character")
            return ""
        if shape is not None and not shape.fullmatch(text):
            self._fault(key, code, value=text)
            return ""
        return text

    def whole_number(self, key: str, *, optional: bool = False) -> int:
        """A whole number from 1 on."""
        text = self.text(key, shape=_NUMBER, code="founding.not_a_number", optional=optional)
        if text and int(text) == 0:
            self._fault(key, "founding.not_a_number", value=text)
        return int(text or 0)

    def day(self, key: str) -> date:
        """A calendar day, written as 2026-03-18."""
        text = self.text(key, shape=_DAY, code="founding.not_a_day")
        if not text:
            return UNREADABLE_DATE
        try:
            day = date.fromisoformat(text)
        except ValueError:
            self._fault(key, "founding.no_such_day", value=text)
            return UNREADABLE_DATE
        if day.year not in _YEARS:
            self._fault(key, "founding.no_such_day", value=text)
            return UNREADABLE_DATE
        return day

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of short texts."""
        items = self._items(key)
        found = [item.text.strip() for item in items if isinstance(item, Scalar)]
        if len(found) < len(items) or not all(text.isprintable() for text in found):
            self._fault(key, "founding.not_text")
            return ()
        return tuple(found)

    def part(self, key: str, allowed: Iterable[str]) -> _Part:
        """A mapping inside this one."""
        node = self._node(key)
        if node is None:
            return _Part(self.sheet, self._at(key), {}, known=False)
        return _Part.of(self.sheet, self._at(key), node, allowed)

    def parts(self, key: str, allowed: Iterable[str], *, at_least_one: bool = False) -> list[_Part]:
        """A list of mappings; the path counts them from 1."""
        items = enumerate(self._items(key, at_least_one=at_least_one), start=1)
        return [_Part.of(self.sheet, f"{self._at(key)}[{place}]", node, allowed) for place, node in items]

    def _items(self, key: str, *, at_least_one: bool = False) -> tuple[Node, ...]:
        node = self._node(key)
        if node is None:
            return ()
        if at_least_one and isinstance(node, Listing) and not node.items:
            self._fault(key, "founding.missing")
        if not isinstance(node, Listing):
            self._fault(key, "founding.not_a_list")
            return ()
        if len(node.items) > UNITS_MAX:
            self._fault(key, "founding.list_too_long", length_max=UNITS_MAX)
            return ()
        return node.items

    def _node(self, key: str, *, optional: bool = False) -> Node | None:
        entry = self._entries.get(key)
        if entry is not None and not (isinstance(entry.value, Scalar) and not entry.value.text.strip()):
            return entry.value
        # An optional field may be left out; one that is begun and left empty has been forgotten.
        if self._known and not (optional and entry is None):
            self._fault(key, "founding.missing")
        return None

    def _fault(self, key: str, code: str, **params: str | int) -> None:
        self.sheet.fault(self._at(key), code, **params)

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _read_file(root: _Part) -> Founding:
    root.text("format", shape=re.compile(re.escape(FORMAT)), code="founding.unknown_format")
    alliance = root.part("alliance", ("name", "number_prefix", "founded_on", "sme_centre", "window_platform"))
    committee = root.part("committee", ("term_from", "term_to", "director", "vice_directors", "members"))
    secretariat = root.part("secretariat", ("secretary_general", "staff"))
    return Founding(
        name=alliance.text("name"),
        number_prefix=alliance.text("number_prefix", shape=_PREFIX, code="founding.bad_prefix"),
        founded_on=alliance.day("founded_on"),
        sme_centre=alliance.whole_number("sme_centre"),
        window_platform=alliance.whole_number("window_platform"),
        term_from=committee.day("term_from"),
        term_to=committee.day("term_to"),
        seats=_read_seats(committee),
        secretary_general=_read_person(secretariat.part("secretary_general", _PERSON)),
        staff=tuple(
            StaffMember(_read_person(part), part.texts("roles"))
            for part in secretariat.parts("staff", (*_PERSON, "roles"))
        ),
        units=tuple(
            _read_unit(part)
            for part in root.parts(
                "units",
                ("number", "name", "kind", "county", "credit_code", "representative", *_CONTACT),
                at_least_one=True,
            )
        ),
    )


def _read_seats(committee: _Part) -> tuple[Seat, ...]:
    nominated = ("unit", "put_forward_by")
    director = committee.part("director", nominated)
    return (
        Seat(DIRECTOR, director.whole_number("unit"), director.whole_number("put_forward_by")),
        *(
            Seat(VICE_DIRECTOR, part.whole_number("unit"), part.whole_number("put_forward_by"))
            for part in committee.parts("vice_directors", nominated)
        ),
        *(
            Seat(COMMITTEE_MEMBER, part.whole_number("unit"), part.whole_number("put_forward_by", optional=True))
            for part in committee.parts("members", nominated)
        ),
    )


def _read_person(part: _Part) -> Person:
    return Person(
        name=part.text("name", length_max=PERSON_NAME_LENGTH_MAX),
        title=part.text("title"),
        username=part.text("username", shape=_USERNAME, code="founding.bad_username"),
    )


def _read_unit(part: _Part) -> FoundingUnit:
    told = {key: part.text(key, optional=True) for key in _CONTACT}
    return FoundingUnit(
        number=part.whole_number("number"),
        name=part.text("name"),
        kind=part.text("kind", shape=_CODE, code="founding.bad_code"),
        county=part.text("county", shape=_CODE, code="founding.bad_code"),
        credit_code=credit_code.normalise(part.text("credit_code", optional=True)),
        representative=_read_person(part.part("representative", _PERSON)),
        profile={key: text for key, text in told.items() if text},
    )


def _credit_code_warnings(founding: Founding, sheet: _Sheet) -> Iterable[LinedFault]:
    """Real organisations have codes that fail the check character, so the secretary is told and decides."""
    for place, unit in enumerate(founding.units, start=1):
        at = f"units[{place}].credit_code"
        for code in credit_code.find_warnings(unit.credit_code) if unit.credit_code else ():
            yield LinedFault(sheet.line_of(at), Fault(code, at, {"value": unit.credit_code}))
