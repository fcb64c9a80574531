"""Applications as they are stored: loaded, moved from state to state, with their history. Decides nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.domain.admission import ARTICLES, OPEN_STATES, State, Step, decide_step
from services.membership.domain.credentials import matches
from shared.errors import Forbidden, NotFound
from shared.persistence.unit_of_work import UnitOfWork

#: Whoever applied: known by the access code, not by an account.
APPLICANT = "applicant"


@dataclass(frozen=True)
class Actor:
    """Who takes a step: kind applicant, person, platform or ballot, and an id where there is one."""

    kind: str
    id: str | None = None


def get_application(work: UnitOfWork, application_id: str) -> sa.Row[Any]:
    """The application, locked to the end of the unit: of two deciding at the same time the second sees the first."""
    row = work.lock(sa.select(tables.applications).where(tables.applications.c.application_id == application_id))
    if row is None:
        raise NotFound("application.not_found")
    return row


def get_own_application(work: UnitOfWork, application_id: str, access_code: str) -> sa.Row[Any]:
    """The application that the access code opens, locked. Forbidden `application.code_refused`, also for an unknown
    id: the answer must not betray which applications exist.
    """
    row = work.lock(sa.select(tables.applications).where(tables.applications.c.application_id == application_id))
    fits = matches(row.access_code_digest if row is not None else None, access_code)
    if row is None or not fits:
        raise Forbidden("application.code_refused")
    return row


def take_step(
    work: UnitOfWork,
    application: sa.Row[Any],
    step: Step,
    actor: Actor,
    *,
    reason: str | None = None,
    article: str | None = None,
    **changes: Any,
) -> State:
    """Move the application, or refuse; keeps the history and frees the credit code at the end of the way."""
    state = decide_step(State(application.state), step)
    if state not in OPEN_STATES:
        changes["open_credit_code"] = None
    work.execute(
        sa.update(tables.applications)
        .where(tables.applications.c.application_id == application.application_id)
        .values(state=state, changed_at=work.now, **changes)
    )
    record_step(work, application.application_id, step, state, actor, reason=reason, article=article)
    return state


def record_step(
    work: UnitOfWork,
    application_id: str,
    step: Step,
    state: State,
    actor: Actor,
    *,
    reason: str | None = None,
    article: str | None = None,
) -> None:
    """Keep who did what, when and why. The application is new or locked, so the position is free."""
    table = tables.application_steps
    taken = work.scalar(sa.select(sa.func.count()).where(table.c.application_id == application_id))
    work.execute(
        sa.insert(table).values(
            application_id=application_id,
            position=taken + 1,
            step=step,
            state=state,
            at=work.now,
            actor_kind=actor.kind,
            actor_id=actor.id,
            article=article or ARTICLES.get(step),
            reason=reason,
        )
    )
