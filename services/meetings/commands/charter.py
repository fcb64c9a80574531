"""The charter in force. Adopting makes a new version; no version is ever changed, because no rule is retroactive."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from services.meetings import tables
from services.meetings.domain.charter import BallotRule, Charter, Named, parse_charter
from services.meetings.events import CHARTER_ADOPTED
from shared.errors import Conflict, Unavailable
from shared.persistence.unit_of_work import Reading, UnitOfWork

#: Subject of every charter event: there is one charter, so its versions arrive in order.
SUBJECT = "charter"


@dataclass(frozen=True)
class Adoption:
    """The version in force after adopting, and whether it is a new one."""

    version: int
    is_new: bool


def adopt_charter(work: UnitOfWork, content: Mapping[str, Any]) -> Adoption:
    """Put a charter in force from now on and publish it (art. 20).

    The same content as the version in force changes nothing. Invalid with every fault by path for a malformed
    charter; Conflict `charter.adopted_meanwhile` when somebody else adopted another one at the same instant.
    """
    newest = _newest(work)
    version = newest.version + 1 if newest else 1
    charter = parse_charter(content, version)
    digest = _digest(content)
    if newest is not None and newest.digest == digest:
        return Adoption(newest.version, is_new=False)
    row = {"version": version, "content": dict(content), "digest": digest, "effective_from": work.now}
    if not work.insert_if_absent(tables.charters, row):
        winner = _newest(work)
        if winner is not None and winner.digest == digest:
            return Adoption(winner.version, is_new=False)
        raise Conflict("charter.adopted_meanwhile", article="20")
    work.record(CHARTER_ADOPTED, subject=SUBJECT, data=_published(charter, work), article="20")
    return Adoption(version, is_new=True)


def get_charter(reading: Reading) -> Charter:
    """The charter in force. Unavailable `charter.not_adopted` before the first."""
    newest = _newest(reading, tables.charters.c.effective_from <= reading.now)
    if newest is None:
        raise Unavailable("charter.not_adopted", article="20")
    return parse_charter(newest.content, newest.version)


def _newest(reading: Reading, *conditions: sa.ColumnElement[bool]) -> sa.Row[Any] | None:
    statement = sa.select(tables.charters).where(*conditions).order_by(tables.charters.c.version.desc()).limit(1)
    return reading.first(statement)


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _published(charter: Charter, work: UnitOfWork) -> dict[str, Any]:
    return {
        "version": charter.version,
        "alliance": {"code": charter.code, "name": dict(charter.name), "number_prefix": charter.number_prefix},
        "effective_from": work.now,
        "member_kinds": _listed(charter.member_kinds, "code", "name"),
        "counties": _listed(charter.counties, "code", "name"),
        "funding_sources": _listed(charter.funding_sources, "code", "name", "article"),
        "purposes": _listed(charter.purposes, "code", "name", "article"),
        "rules": {name: _rule(each) for name, each in charter.rules.items()},
        "silent": list(charter.silent),
    }


def _listed(entries: Sequence[Named], *parts: str) -> list[dict[str, Any]]:
    return [{part: asdict(entry)[part] for part in parts} for entry in entries]


def _rule(ballot_rule: BallotRule) -> dict[str, Any]:
    rule = asdict(ballot_rule.rule)
    rule["silent"] = list(ballot_rule.rule.silent)
    rule |= {"body": ballot_rule.body, "voting_days": ballot_rule.voting_days}
    return {name: value for name, value in rule.items() if name not in ("name", "version")}
