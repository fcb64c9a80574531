"""The gate in front of every view: who is calling, and may they?

`@access` is the outermost decorator of every view method; the app factory refuses to start without it, so a route
can not be forgotten. It also writes the right down in the OpenAPI document, from which tests build their matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from flask import g, request

from shared.errors import Fault, Invalid
from shared.runtime.logging import get_logger
from shared.security.permissions import ANONYMOUS, STEP_UP_SECONDS, Caller, Gate
from shared.security.tokens import TokenRefused
from shared.web.apidoc import amend
from shared.web.context import assembly, parts
from shared.web.json_bodies import shown

__all__ = ["Caller", "access", "gate_of"]

_MARK = "__lianmeng_gate__"

log = get_logger(__name__)

View = Callable[..., Any]


def access(
    *,
    public: bool = False,
    signed_in: bool = False,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    recent: bool = False,
    any_query: bool = False,
) -> Callable[[View], View]:
    """Who may call the view; see `Gate`. Must be the outermost decorator of a view method.

    `recent`: the person must have given the password a short while ago. `any_query`: the view reads its query by rules of
    its own, such as OAuth's, and answers for what it does not know.
    """
    gate = Gate.of(public=public, signed_in=signed_in, roles=roles, scopes=scopes, recent=recent)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            g.caller = _authenticate()
            gate.ensure_passes(g.caller)
            gate.ensure_recent(g.caller, assembly().clock.now().timestamp())
            if not any_query:
                _ensure_known_query()
            return view(*args, **kwargs)

        # The mark names its own wrapper: functools.wraps would carry a plain one outwards through other decorators.
        setattr(guarded, _MARK, (guarded, gate))
        _document(guarded, gate)
        return guarded

    return decorate


def gate_of(view: View) -> Gate | None:
    """The gate of a view whose outermost decorator is `@access`, else None."""
    owner, gate = getattr(view, _MARK, (None, None))
    return gate if owner is view else None


def _authenticate() -> Caller:
    """The caller that the bearer token proves; a token that does not hold is refused even on public routes."""
    header = request.headers.get("Authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return ANONYMOUS
    try:
        claims = parts().verifier.verify(token.strip())
    except TokenRefused as refused:
        log.warning("access.token_refused", reason=refused.reason, address=request.remote_addr)
        raise
    return Caller(
        subject=claims.subject,
        kind=claims.kind,
        roles=claims.roles if claims.kind == "person" else frozenset(),
        unit_id=claims.unit_id,
        scopes=claims.scopes if claims.kind == "platform" else frozenset(),
        authenticated_at_epoch=claims.authenticated_at_epoch if claims.kind == "person" else None,
        session_id=claims.session_id if claims.kind == "person" else None,
    )


def _ensure_known_query() -> None:
    """A misspelt filter must not silently answer another question."""
    known = parts().queries.get((request.endpoint or "", request.method), {})
    faults = []
    for name, values in request.args.lists():
        if name not in known:
            faults.append(Fault("input.unknown_field", shown(name)))
        elif len(values) > 1 and not known[name]:
            faults.append(Fault("input.repeated", shown(name)))
        elif any("\x00" in value for value in values):
            faults.append(Fault("text.unstorable", shown(name)))
    if faults:
        raise Invalid.of(faults[:20])


def _document(view: View, gate: Gate) -> None:
    security: list[dict[str, list[str]]] = [{}] if gate.public else []
    responses: dict[str, str] = {}
    if not gate.public or gate.scopes:
        security.append({"bearer": []})
        responses = {"401": "UNAUTHORIZED", "403": "FORBIDDEN"}
    rights: dict[str, Any] = {
        "public": gate.public,
        "signed_in": gate.signed_in,
        "roles": sorted(gate.roles),
        "scopes": sorted(gate.scopes),
    }
    if gate.recent:
        rights["recent_seconds"] = STEP_UP_SECONDS
    amend(view, parameters=["ACCEPT_LANGUAGE"], responses=responses, security=security, **{"x-access": rights})
