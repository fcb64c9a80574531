"""Applications: handed in, questioned, answered, accepted, withdrawn. What ballots do to them is in commands/ballots.py.

Loads, lets `domain/admission.py` and `domain/application_form.py` decide, saves, and records the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.commands.alliance import lock_application_numbers, next_application_number
from services.membership.commands.applications import (
    APPLICANT,
    Actor,
    get_application,
    get_own_application,
    record_step,
    take_step,
)
from services.membership.commands.charter import get_charter_terms
from services.membership.domain.admission import State, Step, decide_step
from services.membership.domain.application_form import CheckedForm, check_form, merge_corrections
from services.membership.domain.credentials import digest
from shared.errors import Conflict, Fault, Invalid, NotFound
from shared.persistence.unit_of_work import UnitOfWork

#: Open questions an application can carry; beyond that a telephone call helps more.
OPEN_QUESTIONS_MAX = 20


def submit_application(
    work: UnitOfWork, form: Mapping[str, Any], *, client_id: str | None = None, external_reference: str | None = None
) -> dict[str, Any]:
    """Take an application (art. 6(1)). Gives the receipt with the access code, which is stored nowhere in clear.

    Invalid with every faulty field; Conflict `application.duplicate` for a unit that is a member or has an open
    application, `application.external_reference_taken` for a platform's repetition.
    """
    terms = get_charter_terms(work)
    checked = check_form(form, terms, work.now)
    # Taking the number first makes other submissions wait, so that what is looked up below stays true.
    number = next_application_number(work)
    _ensure_reference_free(work, client_id, external_reference)
    _ensure_not_duplicate(work, checked.form["credit_code"])
    application_id, access_code = work.ids.new_id(), work.ids.secret()
    columns = _columns_of(checked)
    work.execute(
        sa.insert(tables.applications).values(
            application_id=application_id,
            number=number,
            state=State.SUBMITTED,
            **columns,
            charter_version=terms.version,
            correlation_id=work.cause.correlation_id,
            access_code_digest=digest(access_code),
            client_id=client_id,
            external_reference=external_reference,
            submitted_at=work.now,
            changed_at=work.now,
        )
    )
    actor = Actor("platform", client_id) if client_id else Actor(APPLICANT)
    record_step(work, application_id, Step.SUBMIT, State.SUBMITTED, actor)
    facts = {"application_id": application_id, "number": number}
    facts |= {name: columns[name] for name in ("unit_name", "kind", "county", "warnings")}
    work.record("membership.application.submitted", subject=application_id, data=facts)
    return {**facts, "state": State.SUBMITTED, "access_code": access_code}


def ask_question(work: UnitOfWork, application_id: str, *, text: str, asked_by: str) -> dict[str, Any]:
    """Send the application back with a question (art. 11)."""
    application = get_application(work, application_id)
    if len(_open_questions(work, application_id)) >= OPEN_QUESTIONS_MAX:
        raise Conflict("application.too_many_questions", article="11", max=OPEN_QUESTIONS_MAX)
    state = take_step(work, application, Step.ASK, Actor("person", asked_by))
    question_id = work.ids.new_id()
    work.execute(
        sa.insert(tables.questions).values(
            question_id=question_id, application_id=application_id, text=text, asked_by=asked_by, asked_at=work.now
        )
    )
    _record_about_question(work, application, "membership.application.questioned", question_id)
    return {"question_id": question_id, "application_id": application_id, "state": state}


def answer_question(
    work: UnitOfWork,
    application_id: str,
    *,
    access_code: str,
    question_id: str,
    text: str,
    corrections: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Answer a question, correcting the form where needed; with the last answer the secretariat is back in turn."""
    application = get_own_application(work, application_id, access_code)
    open_ids = _open_questions(work, application_id)
    table = tables.questions
    question = work.first(
        sa.select(table).where(table.c.question_id == question_id, table.c.application_id == application_id)
    )
    if question is None:
        raise NotFound("question.not_found", field="question_id")
    if question.answered_at is not None:
        raise Conflict("question.already_answered", field="question_id")
    state = take_step(
        work, application, Step.ANSWER if open_ids == [question_id] else Step.ANSWER_ONE, Actor(APPLICANT)
    )
    work.execute(
        sa.update(table)
        .where(table.c.question_id == question_id)
        .values(answer=text, corrections=dict(corrections) if corrections else None, answered_at=work.now)
    )
    if corrections:
        _correct(work, application, corrections)
    _record_about_question(work, application, "membership.application.answered", question_id)
    return {"question_id": question_id, "application_id": application_id, "state": state}


def accept_application(
    work: UnitOfWork, application_id: str, *, accepted_by: str, confirm_warnings: bool = False
) -> dict[str, Any]:
    """Accept the form and lay it before the executive committee (art. 11).

    Conflict `application.warnings_unconfirmed` while warnings stand: they are never a reason to refuse, but somebody
    must have looked.
    """
    application = get_application(work, application_id)
    state = decide_step(State(application.state), Step.ACCEPT)
    if application.warnings and not confirm_warnings:
        raise Conflict(
            "application.warnings_unconfirmed", field="confirm_warnings", warnings=", ".join(application.warnings)
        )
    take_step(work, application, Step.ACCEPT, Actor("person", accepted_by))
    facts = {name: getattr(application, name) for name in ("application_id", "number", "unit_name", "kind", "county")}
    work.record(
        "membership.application.accepted",
        subject=application_id,
        data=facts,
        correlation_id=application.correlation_id,
    )
    return {**facts, "state": state, "correlation_id": application.correlation_id}


def withdraw_application(
    work: UnitOfWork, application_id: str, *, access_code: str, reason: str | None = None
) -> dict[str, Any]:
    """The applicant withdraws, at any stage before the admission (art. 6)."""
    application = get_own_application(work, application_id, access_code)
    return _withdraw(work, application, Actor(APPLICANT), reason)


def record_withdrawal(work: UnitOfWork, application_id: str, *, recorded_by: str, reason: str | None) -> dict[str, Any]:
    """The secretariat records a withdrawal that reached it on paper, and says which.

    Without this an applicant who has lost the access code could neither go on nor start again.
    """
    if not reason:
        raise Invalid("application.withdrawal_reason_needed", field="reason", article="6")
    return _withdraw(work, get_application(work, application_id), Actor("person", recorded_by), reason)


def write_note(work: UnitOfWork, application_id: str, *, text: str, written_by: str) -> dict[str, Any]:
    """Keep an internal note; the applicant never sees it."""
    get_application(work, application_id)
    note = {
        "note_id": work.ids.new_id(),
        "application_id": application_id,
        "text": text,
        "written_by": written_by,
        "written_at": work.now,
    }
    work.execute(sa.insert(tables.notes).values(**note))
    return note


def _withdraw(work: UnitOfWork, application: sa.Row[Any], actor: Actor, reason: str | None) -> dict[str, Any]:
    state = take_step(work, application, Step.WITHDRAW, actor, reason=reason)
    work.record(
        "membership.application.withdrawn",
        subject=application.application_id,
        data={"application_id": application.application_id, "unit_name": application.unit_name},
        correlation_id=application.correlation_id,
    )
    return {"application_id": application.application_id, "number": application.number, "state": state}


def _correct(work: UnitOfWork, application: sa.Row[Any], corrections: Mapping[str, Any]) -> None:
    # The terms are those the application was handed in under: a later charter is not retroactive.
    terms = get_charter_terms(work, version=application.charter_version)
    checked = check_form(merge_corrections(application.form, corrections), terms, work.now)
    lock_application_numbers(work)
    _ensure_not_duplicate(work, checked.form["credit_code"], besides=application.application_id)
    work.execute(
        sa.update(tables.applications)
        .where(tables.applications.c.application_id == application.application_id)
        .values(**_columns_of(checked))
    )


def _columns_of(checked: CheckedForm) -> dict[str, Any]:
    form = dict(checked.form)
    shown = {name: form[name] for name in ("unit_name", "credit_code", "kind", "county")}
    return {**shown, "open_credit_code": form["credit_code"], "form": form, "warnings": list(checked.warnings)}


def _ensure_not_duplicate(work: UnitOfWork, credit_code: str, besides: str | None = None) -> None:
    """One unit, one application, one membership (art. 7(1): equal rights, hence one vote)."""
    # Applications before members: an admission that commits in between moves the unit from the first to the second.
    applications = tables.applications
    open_one = sa.select(applications.c.application_id).where(applications.c.open_credit_code == credit_code)
    if besides is not None:
        open_one = open_one.where(applications.c.application_id != besides)
    # Whoever has left is no member, and may apply again (art. 6).
    member = sa.select(tables.members.c.member_id).where(tables.members.c.present_credit_code == credit_code)
    if work.first(open_one) is not None or work.first(member) is not None:
        raise Conflict("application.duplicate", field="credit_code", article="6")


def _ensure_reference_free(work: UnitOfWork, client_id: str | None, external_reference: str | None) -> None:
    if external_reference is None:
        return
    if client_id is None:
        raise Invalid.of([Fault("application.reference_without_platform", "external_reference")])
    table = tables.applications
    taken = sa.select(table.c.application_id).where(
        table.c.client_id == client_id, table.c.external_reference == external_reference
    )
    if work.first(taken) is not None:
        raise Conflict("application.external_reference_taken", field="external_reference")


def _open_questions(work: UnitOfWork, application_id: str) -> list[str]:
    table = tables.questions
    still_open = sa.and_(table.c.application_id == application_id, table.c.answered_at.is_(None))
    return [row.question_id for row in work.all(sa.select(table.c.question_id).where(still_open))]


def _record_about_question(work: UnitOfWork, application: sa.Row[Any], event_type: str, question_id: str) -> None:
    work.record(
        event_type,
        subject=application.application_id,
        data={"application_id": application.application_id, "question_id": question_id},
        correlation_id=application.correlation_id,
    )
