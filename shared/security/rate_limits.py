"""Rate limits: how often one caller may use one class of routes.

Token buckets in the memory of this process, so a caller may use the limit once per web process; the gateway in front
is where a hard limit over all processes belongs. The number of buckets is bounded: a flood of addresses costs
the flooder's oldest buckets, not our memory.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

from flask import current_app, g, request

from shared.errors import TooMany
from shared.runtime.clock import Clock
from shared.web.apidoc import amend

#: Buckets kept at most; about 2 MB.
BUCKETS_MAX = 10_000
#: Name under which a web application keeps its limits; absent means that nothing is limited.
EXTENSION = "lianmeng.rate_limits"


class RateLimits:
    """Buckets by (route class, caller), the longest unused thrown out first."""

    def __init__(self, clock: Clock, *, buckets_max: int = BUCKETS_MAX) -> None:
        self._clock = clock
        self._buckets_max = buckets_max
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._buckets)

    def ensure_within(self, route_class: str, caller: str, *, per_minute: int, burst: int) -> None:
        """Take one from the caller's bucket, which holds `burst` and refills evenly; raises TooMany when empty."""
        per_second = per_minute / 60
        now = self._clock.monotonic()
        with self._lock:
            tokens, filled_at = self._buckets.pop((route_class, caller), (float(burst), now))
            tokens = min(float(burst), tokens + (now - filled_at) * per_second)
            granted = tokens >= 1
            self._buckets[route_class, caller] = (tokens - 1 if granted else tokens, now)
            if len(self._buckets) > self._buckets_max:
                self._buckets.popitem(last=False)
        if not granted:
            seconds = math.ceil((1 - tokens) / per_second)
            raise TooMany("request.too_many", retry_after_seconds=max(1, seconds), seconds=max(1, seconds))


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
    caller = g.get("caller")
    if by == "caller" and caller is not None and caller.subject is not None:
        return f"subject {caller.subject}"
    # Behind a proxy this is what ProxyFix took from X-Forwarded-For, and only as many hops as are ours.
    return f"address {request.remote_addr}"
