"""Platforms and what they may ask for (OAuth 2 client credentials, RFC 6749). Knows no secret and no token."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from services.membership.domain.accounts import OPERATOR
from shared.errors import Fault, Forbidden, Invalid

#: Everything a platform can be allowed.
SCOPES = frozenset(
    {
        "applications:write", "roster:read", "ballots:read", "timeline:read", "subscriptions:write", "events:read",
        # Technical supervision from outside, such as a county's monitoring; on every service.
        "operations:read", "operations:write",
    }
)  # fmt: skip
#: Reach as far as the operator's own role, so only an operator gives them away.
OPERATORS_SCOPES = frozenset({"operations:read", "operations:write", "events:read"})
NAME_LENGTH_MAX = 100


class ScopeRefused(Exception):
    """The client asked for more than it was given; OAuth calls this `invalid_scope`."""


def ensure_scopes_known(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes, sorted and without repetition. Invalid for none and for an unknown one."""
    wanted = sorted(set(scopes))
    if not wanted:
        raise Invalid.of([Fault("client.scope_missing", "scopes")])
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown:
        allowed = ", ".join(sorted(SCOPES))
        raise Invalid.of([Fault("client.scope_unknown", "scopes", {"scope": unknown[0], "allowed": allowed})])
    return tuple(wanted)


def ensure_may_grant(scopes: Iterable[str], roles: Collection[str]) -> None:
    """Raises Forbidden when somebody with these roles would give a platform more than they have."""
    withheld = sorted(OPERATORS_SCOPES.intersection(scopes)) if OPERATOR not in roles else []
    if withheld:
        raise Forbidden("client.scope_operators", field="scopes", scope=withheld[0])


def decide_scopes(requested: str | None, granted: Iterable[str]) -> tuple[str, ...]:
    """The scopes of a token: those asked for, or all that were granted. Raises ScopeRefused."""
    allowed = set(granted)
    if requested is None:
        return tuple(sorted(allowed))
    wanted = set(requested.split(" ")) - {""}
    if not wanted or not wanted <= allowed:
        raise ScopeRefused
    return tuple(sorted(wanted))
