"""A charter's parameters, read from a mapping and checked as a whole.

A charter with any fault is refused with all its faults, each named by its path, and never taken in part. This module
knows the charter's shape, not its values: another alliance brings another file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.meetings.domain.ballots import ADMISSION_RULES, BODIES, COMMITTEE_OFFICES
from services.meetings.domain.reading import Table
from services.meetings.domain.rules import BASES, QUORUM_BASES, SILENT_POINTS, Quorum, Rule
from shared.errors import Fault, Invalid

#: Far above any alliance; keeps every product of a comparison within 64 bits for those who store it.
NUMBER_MAX = 1_000_000
#: A ballot open for longer than a year is a slip of the finger.
VOTING_DAYS_MAX = 366


@dataclass(frozen=True)
class Named:
    """Something that the charter lists: a kind of member, a county, a purpose, a source of money."""

    code: str
    name: Mapping[str, str]
    article: str


@dataclass(frozen=True)
class BallotRule:
    """A rule, the body that applies it, and how long that body has."""

    rule: Rule
    body: str
    voting_days: int


@dataclass(frozen=True)
class Charter:
    """One version of a charter. `content` is the whole of it, as read; the rest is what programs ask for."""

    version: int
    code: str
    name: Mapping[str, str]
    number_prefix: str
    member_kinds: tuple[Named, ...]
    counties: tuple[Named, ...]
    purposes: tuple[Named, ...]
    funding_sources: tuple[Named, ...]
    rules: Mapping[str, BallotRule]
    #: Paths of everything the text leaves open, such as `rules.admission_vote.base`.
    silent: tuple[str, ...]
    content: Mapping[str, Any]


def parse_charter(content: Mapping[str, Any], version: int) -> Charter:
    """Read and check. Raises Invalid `input.invalid` with one Fault per thing wrong."""
    faults: list[Fault] = []
    silent: list[str] = []
    top = Table("", content, faults)
    alliance = top.table("alliance")
    charter = Charter(
        version=version,
        code=alliance.code("code"),
        name=alliance.names(),
        number_prefix=_alliance_prefix(alliance, silent),
        member_kinds=_listed(top, "member_kinds", silent, _kind_settings),
        counties=_listed(top, "counties", silent, _county_settings),
        purposes=_listed(top, "purposes", silent),
        funding_sources=_listed(top, "funding_sources", silent),
        rules=_rules(top.table("rules"), version, silent),
        silent=(),
        content=content,
    )
    _bodies(top, silent)
    _voting(top.table("voting"), silent)
    _presets(top)
    top.close()
    if faults:
        raise Invalid.of(faults, article="20")
    return Charter(**{**charter.__dict__, "silent": tuple(silent)})


def _note_silence(table: Table, points: tuple[str, ...], silent: list[str]) -> None:
    silent += [table.path if point == "*" else f"{table.path}.{point}" for point in points]


def _finish(table: Table, points: tuple[str, ...], silent: list[str]) -> str:
    """What every table of the charter ends with: its article, its silence, and no unknown keys."""
    article = table.article()
    _note_silence(table, table.silent(points), silent)
    table.close()
    return article


def _alliance_prefix(alliance: Table, silent: list[str]) -> str:
    prefix = alliance.text("number_prefix")
    if prefix and not (prefix.isascii() and prefix.isalnum() and len(prefix) <= 10):
        alliance.fault("malformed_code", "number_prefix")
    alliance.flag("registered")
    alliance.names("supervising_authority")
    _finish(alliance, ("number_prefix",), silent)
    return prefix


def _listed(
    top: Table, key: str, silent: list[str], read_settings: Callable[[Table], tuple[str, ...]] | None = None
) -> tuple[Named, ...]:
    entries: list[Named] = []
    for table in top.tables(key):
        code, name = table.code("code"), table.names()
        if code in {entry.code for entry in entries}:
            table.fault("duplicate", "code", value=code)
        points = read_settings(table) if read_settings else ()
        entries.append(Named(code, name, _finish(table, ("name", *points), silent)))
    return tuple(entries)


def _kind_settings(table: Table) -> tuple[str, ...]:
    table.flag("founding")
    table.flag("applies")
    return "founding", "applies"


def _county_settings(table: Table) -> tuple[str, ...]:
    if table.has("division"):
        table.text("division")
    return ("division",)


def _rules(table: Table, version: int, silent: list[str]) -> dict[str, BallotRule]:
    rules = {name: _ballot_rule(table.table(name), name, version, silent) for name in table.entries()}
    for body, name in ADMISSION_RULES.items():
        if name not in rules:
            table.fault("missing", name)
        elif rules[name].body in BODIES and rules[name].body != body:
            table.fault("unknown_value", f"{name}.body", allowed=body)
    return rules


def _ballot_rule(table: Table, name: str, version: int, silent: list[str]) -> BallotRule:
    body = table.choice("body", BODIES)
    numerator, denominator, inclusive = _fraction(table)
    rule = Rule(
        name=name,
        numerator=numerator,
        denominator=denominator,
        inclusive=inclusive,
        base=table.choice("base", BASES),
        quorum=_quorum(table),
        minimum_yes=table.integer("minimum_yes", 1, NUMBER_MAX),
        article=table.article(),
        version=version,
        silent=table.silent(SILENT_POINTS),
    )
    if "*" in rule.silent:  # the explanation names each open setting, so a rule must list them
        table.fault("wrong_type", "silent", expected="list")
    _note_silence(table, rule.silent, silent)
    voting_days = table.integer("voting_days", 1, VOTING_DAYS_MAX)
    table.close()
    return BallotRule(rule, body, voting_days)


def _fraction(table: Table) -> tuple[int, int, bool]:
    """A fraction of at most one. More than all can never be reached, so it is refused."""
    faults_before = len(table.faults)
    denominator = table.integer("denominator", 1, NUMBER_MAX)
    numerator = table.integer("numerator", 1, NUMBER_MAX)
    inclusive = table.flag("inclusive")
    is_beyond_all = numerator > denominator or (numerator == denominator and not inclusive)
    if table.is_table and is_beyond_all and len(table.faults) == faults_before:
        table.fault("never_passes", "numerator")
    return numerator, denominator, inclusive


def _quorum(rule: Table) -> Quorum | None:
    if rule.read_off("quorum"):
        return None
    table = rule.table("quorum")
    numerator, denominator, inclusive = _fraction(table)
    quorum = Quorum(numerator, denominator, inclusive, table.choice("base", QUORUM_BASES))
    table.close()
    return quorum


def _bodies(top: Table, silent: list[str]) -> None:
    offices: set[str] = set()
    for seat in top.tables("seats"):
        office = seat.choice("office", COMMITTEE_OFFICES)
        if office in offices:
            seat.fault("duplicate", "office", value=office)
        offices.add(office)
        seat.integer("count", 1, NUMBER_MAX)
        seat.choice("elected_by", BODIES)
        if seat.has("nominated_by"):
            seat.names("nominated_by")
        _finish(seat, ("count", "elected_by", "nominated_by"), silent)
    committee = top.table("committee")
    settings = {"term_years": 100, "meetings_per_year_min": 366, "callers_min": NUMBER_MAX}
    for setting, maximum in settings.items():
        committee.integer(setting, 1, maximum)
    _finish(committee, tuple(settings), silent)
    secretariat = top.table("secretariat")
    secretariat.names("host")
    secretariat.integer("secretaries_general", 1, NUMBER_MAX)
    _finish(secretariat, ("host", "secretaries_general"), silent)
    elections = top.table("elections")
    for name in elections.entries():
        election = elections.table(name)
        election.choice("body", BODIES)
        election.choice("method", ("most_votes",))
        election.choice("ties", ("run_off",))
        _finish(election, ("body", "method", "ties"), silent)


def _voting(table: Table, silent: list[str]) -> None:
    """Only what the ballots of today can do is accepted: a charter must not promise what nobody keeps."""
    table.integer("weight", 1, 1)
    table.choice("vote_change", ("none",))
    for setting in ("notice", "proxies", "secrecy"):
        table.choice(setting, ("off",))
    _finish(table, ("weight", "vote_change", "notice", "proxies", "secrecy"), silent)


def _presets(top: Table) -> None:
    if not top.has("presets"):
        return
    presets = top.table("presets")
    for name in presets.entries():
        preset = presets.table(name)
        preset.names()
        _fraction(preset)
        preset.choice("base", BASES)
        preset.close()
