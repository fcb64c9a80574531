"""Refusals and failures as answers: RFC 9457 problem+json, in the caller's language, and the only home of HTTP numbers.

Every answer above 399 is made here, whoever raised it: a command, a schema, the router, the database, a bug. What
happened inside is for the log; the answer says what the caller can do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import sqlalchemy as sa
from flask import Flask, Response, current_app, g, request
from marshmallow import fields
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RoutingException

from shared import errors
from shared.errors import Fault, Refusal
from shared.runtime.logging import get_logger
from shared.security.permissions import STEP_UP_SECONDS, StepUpNeeded
from shared.web.context import language, parts
from shared.web.json_bodies import Malformed
from shared.web.schemas import ResponseSchema

MEDIA_TYPE = "application/problem+json"
#: What a client should wait before trying again when the database does not answer, in seconds.
RETRY_AFTER_SECONDS = 2

STATUS_OF_KIND: dict[type[Refusal], HTTPStatus] = {
    Malformed: HTTPStatus.BAD_REQUEST,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Gone: HTTPStatus.GONE,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

#: Codes of what werkzeug refuses by itself.
CODE_OF_STATUS: dict[int, str] = {
    400: "request.malformed",
    404: "request.no_such_route",
    405: "request.method_not_allowed",
    408: "request.timed_out",
    413: "request.too_large",
    414: "request.address_too_long",
    415: "request.wrong_media_type",
    416: "request.wrong_range",
    429: "request.too_many",
    431: "request.headers_too_large",
    500: "server.fault",
    503: "server.unavailable",
}

log = get_logger(__name__)


class ProblemFault(ResponseSchema):
    """One field at fault."""

    field = fields.String(required=True, metadata={"description": "dotted path into the request"})
    code = fields.String(required=True, metadata={"description": "stable name of the fault"})
    message = fields.String(required=True, metadata={"description": "in the caller's language"})


class Problem(ResponseSchema):
    """RFC 9457 problem details; written here for the OpenAPI document."""

    type = fields.String(required=True, metadata={"example": "urn:lianmeng:problem:vote.already_cast"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "in the caller's language"})
    code = fields.String(required=True, metadata={"description": "stable name, to be compared by programs"})
    article = fields.String(metadata={"description": "the charter's article, where a rule decided"})
    errors = fields.List(fields.Nested(ProblemFault))
    request_id = fields.String(required=True)


def register(app: Flask) -> None:
    """Make every failure of `app` a problem."""
    app.register_error_handler(Refusal, _on_refusal)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(sa.exc.OperationalError, _on_database_trouble)
    app.register_error_handler(sa.exc.InterfaceError, _on_database_trouble)
    app.register_error_handler(sa.exc.TimeoutError, _on_database_trouble)
    app.register_error_handler(Exception, _on_bug)


def status_of(refusal: Refusal) -> HTTPStatus:
    """The HTTP status of a refusal's kind."""
    for kind in type(refusal).__mro__:
        if kind in STATUS_OF_KIND:
            return STATUS_OF_KIND[kind]
    return HTTPStatus.BAD_REQUEST


def _on_refusal(refusal: Refusal) -> Response:
    status = status_of(refusal)
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = _challenge(refusal)
    seconds = refusal.retry_after_seconds
    if seconds is None and status is HTTPStatus.SERVICE_UNAVAILABLE:
        seconds = RETRY_AFTER_SECONDS
    if seconds is not None:
        headers["Retry-After"] = str(seconds)
    params = dict(refusal.params)
    return problem(
        status,
        refusal.code,
        params=params,
        article=refusal.article,
        faults=refusal.faults or _own_fault(refusal),
        headers=headers,
    )


def _challenge(refusal: Refusal) -> str:
    """What the caller needs, for programs (RFC 6750, 3; RFC 9470, 3)."""
    if isinstance(refusal, StepUpNeeded):
        return f'Bearer error="insufficient_user_authentication", max_age="{STEP_UP_SECONDS}"'
    # No error code where the caller sent no token at all.
    error = ', error="invalid_token"' if "Authorization" in request.headers else ""
    return f'Bearer realm="lianmeng"{error}'


def _own_fault(refusal: Refusal) -> Sequence[Fault]:
    return (Fault(refusal.code, refusal.field, dict(refusal.params)),) if refusal.field else ()


def _on_http_exception(error: HTTPException) -> Any:
    if isinstance(error, RoutingException) or error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error
    if error.code == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _on_bug(getattr(error, "original_exception", None) or error)
    kept = {name: value for name, value in error.get_headers() if name.lower() in ("allow", "retry-after")}
    code = CODE_OF_STATUS.get(error.code, "request.refused")
    params: dict[str, str | int] = {"method": request.method, "bytes": current_app.config["MAX_CONTENT_LENGTH"] or 0}
    return problem(HTTPStatus(error.code), code, params=params, headers=kept)


def _on_database_trouble(error: Exception) -> Response:
    """The database is away, overloaded, or asked us to try again (lock time-out, deadlock)."""
    log.error("database.unavailable", error=type(error).__name__, why=str(getattr(error, "orig", error))[:300])
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "server.unavailable", headers=headers)


def _on_bug(error: Exception) -> Response:
    log.error("request.failed", exc_info=error, route=str(request.url_rule), method=request.method)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "server.fault")


def problem(
    status: HTTPStatus,
    code: str,
    *,
    params: dict[str, str | int] | None = None,
    article: str | None = None,
    faults: Sequence[Fault] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """The answer itself."""
    texts, tongue = parts().assembly.texts, language()
    body: dict[str, Any] = {
        "type": f"urn:lianmeng:problem:{code}",
        "title": texts.render(f"problem.{status.value}", tongue)
        if texts.has(f"problem.{status.value}")
        else status.phrase,
        "status": status.value,
        "detail": texts.render(code, tongue, **(params or {})),
        "code": code,
    }
    if article is not None:
        body["article"] = article
    if faults:
        body["errors"] = [
            {"field": each.field, "code": each.code, "message": texts.render(each.code, tongue, **each.params)}
            for each in faults
        ]
    body["request_id"] = g.get("request_id", "")
    g.problem_code = code
    response = current_app.make_response(current_app.json.response(body))
    response.status_code = status.value
    response.mimetype = MEDIA_TYPE
    response.headers["Content-Language"] = tongue
    response.vary.add("Accept-Language")
    response.headers.update(headers or {})
    return response
