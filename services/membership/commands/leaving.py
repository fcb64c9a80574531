"""A unit leaves at will (art. 7(3)): announced, changed, taken back, and what happens when it takes effect.

Nobody is asked. The roster entry stays for ever, with its end; what hung on the membership ends with it, here in the
same unit of work and elsewhere by the events.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.commands.accounts import close_accounts_of
from services.membership.commands.offices import vacate_offices_of
from services.membership.domain.leaving import ARTICLE, decide_leaving_time, ensure_on_record
from shared.errors import Conflict, NotFound
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.clock import rfc3339


@dataclass(frozen=True)
class Announcement:
    """Who says that a unit leaves (`representative` or `secretariat`, and the account), from which day, and why.

    Without a day it leaves at once.
    """

    by: str
    account_id: str
    leaves_on: date | None = None
    reason: str | None = None


def announce_leaving(work: UnitOfWork, member_id: str, said: Announcement) -> None:
    """The unit leaves, at once or from its day on; said again before that day, the later word counts.

    NotFound `member.not_found`, Conflict `leaving.already_left`, Invalid for a day or a reason.
    """
    member = _get_present_member(work, member_id)
    ensure_on_record(said.by, said.reason)
    leaves_at = decide_leaving_time(said.leaves_on, work.now)
    before = _take_pending_back(work, member_id, said.account_id)
    leaving_id = work.ids.new_id()
    # What was said first and what is said now is one story.
    story = before.correlation_id if before is not None else work.cause.correlation_id
    work.execute(
        sa.insert(tables.leavings).values(
            leaving_id=leaving_id,
            member_id=member_id,
            pending_member_id=member_id,
            announced_at=work.now,
            announced_by=said.by,
            announced_by_account=said.account_id,
            reason=said.reason,
            leaves_at=leaves_at,
            correlation_id=story,
        )
    )
    _set(work, member_id, leaves_at=leaves_at)
    if leaves_at <= work.now:
        leave_if_due(work, member_id)
        return
    work.record(
        "membership.leaving.announced",
        subject=member_id,
        data={**_identity_of(member), "leaves_at": rfc3339(leaves_at), "announced_by": said.by},
        correlation_id=story,
    )


def retract_leaving(work: UnitOfWork, member_id: str, *, retracted_by: str) -> None:
    """The unit stays after all. Conflict `leaving.already_left` once it has left, NotFound `leaving.not_announced`."""
    member = _get_present_member(work, member_id)
    pending = _take_pending_back(work, member_id, retracted_by)
    if pending is None:
        raise NotFound("leaving.not_announced", article=ARTICLE)
    _set(work, member_id, leaves_at=None)
    work.record(
        "membership.leaving.retracted",
        subject=member_id,
        data=_identity_of(member),
        correlation_id=pending.correlation_id,
    )


def leave_if_due(work: UnitOfWork, member_id: str) -> bool:
    """Take the unit off the present roster if its time has come; says whether it left now.

    From the instant it named, not from when somebody looked: offices end then, and the entry is dated so.
    """
    member = _lock_member(work, member_id)
    table = tables.leavings
    pending = work.first(sa.select(table).where(table.c.pending_member_id == member_id))
    if member is None or pending is None or pending.leaves_at > work.now:
        return False
    work.execute(
        sa.update(table)
        .where(table.c.leaving_id == pending.leaving_id)
        .values(pending_member_id=None, took_effect_at=work.now)
    )
    _set(work, member_id, left_at=pending.leaves_at, present_credit_code=None)
    work.record(
        "membership.member.left",
        subject=member_id,
        data={
            **_identity_of(member),
            "left_at": rfc3339(pending.leaves_at),
            "announced_by": pending.announced_by,
        },
        correlation_id=pending.correlation_id,
    )
    vacate_offices_of(work, member_id, at=pending.leaves_at, correlation_id=pending.correlation_id)
    close_accounts_of(work, member_id, correlation_id=pending.correlation_id)
    return True


def _get_present_member(work: UnitOfWork, member_id: str) -> sa.Row[Any]:
    member = _lock_member(work, member_id)
    if member is None:
        raise NotFound("member.not_found")
    if member.left_at is not None:
        raise Conflict("leaving.already_left", article=ARTICLE)
    return member


def _lock_member(work: UnitOfWork, member_id: str) -> sa.Row[Any] | None:
    """The member until the unit ends: announcing, taking back and taking effect happen one after the other."""
    return work.lock(sa.select(tables.members).where(tables.members.c.member_id == member_id))


def _take_pending_back(work: UnitOfWork, member_id: str, account_id: str) -> sa.Row[Any] | None:
    """End what was announced and has not taken effect; the record of it stays."""
    table = tables.leavings
    pending = work.first(sa.select(table).where(table.c.pending_member_id == member_id))
    if pending is not None:
        work.execute(
            sa.update(table)
            .where(table.c.leaving_id == pending.leaving_id)
            .values(pending_member_id=None, retracted_at=work.now, retracted_by_account=account_id)
        )
    return pending


def _set(work: UnitOfWork, member_id: str, **values: Any) -> None:
    work.execute(sa.update(tables.members).where(tables.members.c.member_id == member_id).values(**values))


def _identity_of(member: sa.Row[Any]) -> dict[str, str]:
    return {"member_id": member.member_id, "number": member.number, "unit_name": member.unit_name}
