"""Rate limits on views. How the counting works is said in `shared.security.rate_limits`; here is who is counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

from flask import current_app, request

from shared.security.rate_limits import RateLimits
from shared.web.apidoc import amend
from shared.web.context import caller

#: Name under which a web application keeps its limits; absent means that nothing is limited.
EXTENSION = "lianmeng.rate_limits"


def rate_limited(
    route_class: str, *, per_minute: int, burst: int | None = None, by: Literal["caller", "address"] = "caller"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Limit a view; stands between `@access` and `@idempotent`.

    `by="caller"` counts per account or client, and per address for the anonymous; `by="address"` always per address
    (sign-in: an attacker would be a new caller each time). `burst` defaults to `per_minute`.
    """
    size = per_minute if burst is None else burst

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def limited(*args: Any, **kwargs: Any) -> Any:
            limits: RateLimits | None = current_app.extensions.get(EXTENSION)
            if limits is not None:
                limits.ensure_within(route_class, _counted_as(by), per_minute=per_minute, burst=size)
            return view(*args, **kwargs)

        amend(limited, responses={"429": "TOO_MANY_REQUESTS"})
        return limited

    return decorate


def _counted_as(by: str) -> str:
    subject = caller().subject
    if by == "caller" and subject is not None:
        return f"subject {subject}"
    # Behind a proxy this is what ProxyFix took from X-Forwarded-For, and only as many hops as are ours.
    return f"address {request.remote_addr}"
