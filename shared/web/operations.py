"""The operators' handles over HTTP, on every service: how it is, events without their effect, the audit of acts on them.

Reads and answers; what an act does is decided by `shared.messaging.parking`. Open to the role `operator`, and to
platforms with the scopes `operations:read` and `operations:write`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import marshmallow as ma
import sqlalchemy as sa
from flask.views import MethodView
from marshmallow import fields, validate

from shared.errors import Invalid
from shared.messaging import parking
from shared.messaging.inbox import PARKED
from shared.messaging.outbox import outbox_state
from shared.messaging.parking import Operator, Outcome, Selection, Wish, key_text, parse_key
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, caller, current_work, parts, reading
from shared.web.idempotency import idempotent
from shared.web.pagination import CursorQuery, Position, page, page_schema
from shared.web.schemas import Instant, RequestSchema, ResponseSchema, Text, TrueOrFalse, WholeNumber
from shared.web.validation import complain

#: The staff role that may look and act.
ROLES = frozenset({"operator"})
READ_SCOPE = "operations:read"
WRITE_SCOPE = "operations:write"

blueprint = Blueprint(
    "operations",
    __name__,
    url_prefix="/operations",
    description="For operators: events that have not had their effect, and what was done about them",
)


def _exactly(**kwargs: Any) -> fields.String:
    """Text that is compared with what a stranger sent, and therefore not tidied."""
    return fields.String(validate=validate.Length(min=1, max=200), **kwargs)


def _states() -> fields.List[str]:
    one = fields.String(validate=validate.OneOf(parking.STATES))
    length = validate.Length(min=1, max=len(parking.STATES))
    return fields.List(
        one, load_default=[PARKED], validate=length, metadata={"description": "`parked` where none is named"}
    )


class EventFilter(RequestSchema):
    """Events by what they have in common."""

    state = _states()
    type = _exactly(load_default=None)
    source = _exactly(load_default=None)
    subject = _exactly(load_default=None)
    event_id = _exactly(load_default=None)
    received_before = Instant(load_default=None)
    received_after = Instant(load_default=None)


class EventsQuery(CursorQuery, EventFilter):
    """The same as a query."""


class ActionsQuery(CursorQuery):
    """The audit of one event, or of all."""

    key = fields.String(
        load_default=None, validate=validate.Length(max=1_000), metadata={"description": "`key` of an event"}
    )


class EventKey(RequestSchema):
    """One event."""

    source = _exactly(required=True)
    event_id = _exactly(required=True)


class ActRequest(RequestSchema):
    """Which events: named, or the oldest of a filter."""

    events = fields.List(fields.Nested(EventKey), validate=validate.Length(min=1, max=parking.ACT_EVENTS_MAX))
    filter = fields.Nested(EventFilter)
    limit = WholeNumber(
        minimum=1,
        maximum=parking.ACT_EVENTS_MAX,
        load_default=parking.ACT_EVENTS_DEFAULT,
        metadata={"description": "events taken by the filter at most"},
    )
    dry_run = TrueOrFalse(load_default=False, metadata={"description": "say what would be done, and change nothing"})

    @ma.validates_schema
    def _one_way(self, data: dict[str, Any], **_unused: Any) -> None:
        if ("events" in data) == ("filter" in data):
            refusal = complain("parking.events_or_filter")
            refusal.field_name = "events"
            raise refusal


class RedriveRequest(ActRequest):
    """A reason is welcome."""

    reason = Text(max=parking.REASON_CHARACTERS_MAX, load_default=None)


class DiscardRequest(ActRequest):
    """A reason is demanded."""

    reason = Text(max=parking.REASON_CHARACTERS_MAX, required=True)


class ParkedEvent(ResponseSchema):
    """An event that has not had its effect."""

    key = fields.String(required=True, metadata={"description": "its place below `events/`"})
    source = fields.String(required=True)
    event_id = fields.String(required=True)
    type = fields.String(required=True)
    subject = fields.String(required=True)
    sequence = fields.Integer(required=True)
    state = fields.String(
        required=True, metadata={"description": "`parked`, `deferred`, `discarded`; `done` once it had it"}
    )
    attempts = fields.Integer(required=True)
    reason = fields.String(required=True, allow_none=True, metadata={"description": "why it waits"})
    received_at = Instant(required=True)
    next_attempt_at = Instant(required=True, allow_none=True)
    settled_at = Instant(required=True, allow_none=True)
    overtaken_by = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "sequence of a later event of the subject that has had its effect already"},
    )


class OperatorAction(ResponseSchema):
    """One row of the audit."""

    id = fields.String(required=True)
    at = Instant(required=True)
    actor = fields.String(required=True)
    door = fields.String(required=True, metadata={"description": "`command` or `api`"})
    action = fields.String(required=True)
    source = fields.String(required=True, allow_none=True)
    event_id = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    details = fields.Dict(required=True)


class ParkedEventDetail(ParkedEvent):
    """With all that is known of it."""

    bytes = fields.Integer(required=True)
    envelope = fields.Dict(required=True, allow_none=True, metadata={"description": "as it came, where it can be read"})
    excerpt = fields.String(required=True, allow_none=True, metadata={"description": "the beginning of what cannot"})
    waiting_behind = fields.Integer(
        required=True, metadata={"description": "later events of its subject that it holds back"}
    )
    behind = fields.List(fields.Nested(ParkedEvent), required=True)
    actions = fields.List(fields.Nested(OperatorAction), required=True)


class ActOutcome(ResponseSchema):
    """What came of an act, or would come of it."""

    action = fields.String(required=True)
    dry_run = fields.Boolean(required=True)
    changed = fields.List(fields.Nested(ParkedEvent), required=True, metadata={"description": "as they were before"})
    unchanged = fields.List(
        fields.Nested(ParkedEvent), required=True, metadata={"description": "named, and with nothing to change"}
    )
    remaining = fields.Integer(required=True, metadata={"description": "events of the filter beyond the limit"})


class OutboxState(ResponseSchema):
    """What the service has to say and has not said yet."""

    pending = fields.Integer(required=True, metadata={"description": "events that have not gone out"})
    oldest_age_seconds = fields.Float(
        required=True, metadata={"description": "of the oldest of them; above 60 nothing goes out"}
    )


class InboxState(ResponseSchema):
    """What the service has heard and not digested."""

    deferred = fields.Integer(required=True, metadata={"description": "tried again by themselves"})
    parked = fields.Integer(required=True, metadata={"description": "waiting for an operator"})
    discarded = fields.Integer(required=True, metadata={"description": "closed by an operator"})
    oldest_parked_age_seconds = fields.Float(required=True)


class ServiceState(ResponseSchema):
    """How one service is. The same numbers as its metrics."""

    service = fields.String(required=True)
    at = Instant(required=True)
    ready = fields.Boolean(required=True, metadata={"description": "whether this web process should get work"})
    checks = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, metadata={"description": "what readiness rests on"}
    )
    outbox = fields.Nested(OutboxState, required=True)
    inbox = fields.Nested(InboxState, required=True)


@blueprint.route("/state")
class State(MethodView):
    @access(roles=ROLES, scopes={READ_SCOPE})
    @blueprint.response(200, ServiceState)
    def get(self) -> dict[str, Any]:
        """Whether the service is ready, and what waits in its outbox and inbox; metrics stay inside the networks."""
        status, health = parts().health.ready()
        with reading() as look:
            return {
                "service": assembly().service.name,
                "at": look.now,
                "ready": status == HTTPStatus.OK,
                "checks": health["checks"],
                "outbox": outbox_state(look),
                "inbox": parking.parking_state(look),
            }


@blueprint.route("/events")
class Events(MethodView):
    @access(roles=ROLES, scopes={READ_SCOPE})
    @blueprint.arguments(EventsQuery, location="query")
    @blueprint.response(200, page_schema(ParkedEvent))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Events that have not had their effect, oldest first."""
        limit = query["limit"]
        with reading() as look:
            rows = parking.list_events(look, _selection(query), limit=limit + 1, after=_position(query["cursor"]))
        return page([_event(row) for row in rows], limit, key=lambda row: (row["received_at"], row["key"]))


@blueprint.route("/events/<string:source>/<string:event_id>")
class Event(MethodView):
    @access(roles=ROLES, scopes={READ_SCOPE})
    @blueprint.response(200, ParkedEventDetail)
    def get(self, source: str, event_id: str) -> dict[str, Any]:
        """One event with its envelope, why it waits, what waits behind it, what was done about it."""
        key = parse_key(f"{source}/{event_id}")
        with reading() as look:
            row = parking.get_event(look, key)
            count, behind = parking.waiting_behind(look, row)
            actions = parking.list_actions(look, limit=50, key=key)
        body = bytes(row.body or b"")
        envelope, excerpt = parking.read_body(body) if body else (None, None)
        return {
            **_event(row),
            "bytes": len(body),
            "envelope": envelope,
            "excerpt": excerpt,
            "waiting_behind": count,
            "behind": [_event(each) for each in behind],
            "actions": actions,
        }


@blueprint.route("/redrive")
class Redrive(MethodView):
    @access(roles=ROLES, scopes={WRITE_SCOPE})
    @idempotent
    @blueprint.arguments(RedriveRequest)
    @blueprint.response(200, ActOutcome)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Let events be tried again, at once and with all their attempts. Harmless twice."""
        return _act(Wish(parking.REDRIVE, _which(body), body["reason"], body["limit"], body["dry_run"]))


@blueprint.route("/discard")
class Discard(MethodView):
    @access(roles=ROLES, scopes={WRITE_SCOPE})
    @idempotent
    @blueprint.arguments(DiscardRequest)
    @blueprint.response(200, ActOutcome)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Close events without an effect: they hold nothing back any more. May be redriven later."""
        return _act(Wish(parking.DISCARD, _which(body), body["reason"], body["limit"], body["dry_run"]))


@blueprint.route("/actions")
class Actions(MethodView):
    @access(roles=ROLES, scopes={READ_SCOPE})
    @blueprint.arguments(ActionsQuery, location="query")
    @blueprint.response(200, page_schema(OperatorAction))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What operators did, newest first."""
        key = parse_key(query["key"]) if query["key"] is not None else None
        after = query["cursor"]
        if after is not None and [type(each).__name__ for each in after] != ["datetime", "str"]:
            raise Invalid("page.cursor_invalid", field="cursor")
        with reading() as look:
            rows = parking.list_actions(look, limit=query["limit"] + 1, key=key, after=after)
        return page(rows, query["limit"], key=lambda row: (row.at, row.id))


def _act(wish: Wish) -> dict[str, Any]:
    who = caller()
    assert who.subject is not None, "the gate lets nobody in without a token"
    outcome: Outcome = parking.act(current_work(), Operator(who.subject, "api"), wish)
    return {
        "action": outcome.action,
        "dry_run": outcome.dry_run,
        "changed": [_event(row) for row in outcome.changed],
        "unchanged": [_event(row) for row in outcome.unchanged],
        "remaining": outcome.remaining,
    }


def _which(body: dict[str, Any]) -> Selection | list[parking.Key]:
    if "events" in body:
        return list(dict.fromkeys((each["source"], each["event_id"]) for each in body["events"]))
    return _selection(body["filter"])


def _selection(given: dict[str, Any]) -> Selection:
    names = ("type", "source", "subject", "event_id", "received_before", "received_after")
    return Selection(states=tuple(dict.fromkeys(given["state"])), **{name: given[name] for name in names})


def _position(cursor: Position | None) -> parking.Position | None:
    """A cursor holds the time and the key as one word: an id may hold characters that have no place in a cursor."""
    match cursor:
        case None:
            return None
        case (when, str(key)) if not isinstance(when, str | int) and "/" in key:
            return when, *parse_key(key)
        case _:
            raise Invalid("page.cursor_invalid", field="cursor")


def _event(row: sa.Row[Any]) -> dict[str, Any]:
    return {**row._mapping, "key": key_text(row.source, row.event_id)}  # noqa: SLF001 - its documented interface
