"""The roster: the units that are members. Must not decide an admission: a ballot or the founding did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.commands.alliance import next_member_number
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.clock import rfc3339


@dataclass(frozen=True)
class NewMember:
    """A unit just entered on the roster."""

    member_id: str
    number: str


def admit_member(
    work: UnitOfWork,
    *,
    unit_name: str,
    kind: str,
    county: str,
    admitted_at: datetime,
    credit_code: str | None = None,
    profile: Mapping[str, Any] | None = None,
    application_id: str | None = None,
    ballot_id: str | None = None,
    founding: bool = False,
    correlation_id: str | None = None,
) -> NewMember:
    """Enter a unit with number and date, and record `member.admitted`.

    Shared by the founding (`founding=True`, art. 1) and the passed ballot (`application_id` and `ballot_id`,
    art. 6(3)). `credit_code` is normalised. `profile` holds what the roster shows besides (`ROSTER_PROFILE` in
    domain/application_form.py).
    """
    assert founding or (application_id and ballot_id), "the roster changes only by a passed ballot"
    member_id = work.ids.new_id()
    number = next_member_number(work)
    work.execute(
        sa.insert(tables.members).values(
            member_id=member_id,
            number=number,
            unit_name=unit_name,
            credit_code=credit_code,
            present_credit_code=credit_code,
            kind=kind,
            county=county,
            profile=dict(profile or {}),
            admitted_at=admitted_at,
            founding=founding,
            application_id=application_id,
            ballot_id=ballot_id,
        )
    )
    data: dict[str, Any] = {
        "member_id": member_id,
        "number": number,
        "unit_name": unit_name,
        "kind": kind,
        "county": county,
        "admitted_at": rfc3339(admitted_at),
        "founding": founding,
    }
    if application_id is not None:
        data |= {"application_id": application_id, "ballot_id": ballot_id}
    work.record(
        "membership.member.admitted",
        subject=member_id,
        data=data,
        correlation_id=correlation_id,
        article="1" if founding else "6(3)",
    )
    return NewMember(member_id, number)
