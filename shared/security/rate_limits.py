"""Rate limits: how often one caller may use one class of routes.

Token buckets in the memory of this process, so a caller may use the limit once per web process; the gateway in front
is where a hard limit over all processes belongs. The number of buckets is bounded: a flood of addresses costs
the flooder's oldest buckets, not our memory.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict

from shared.errors import TooMany
from shared.runtime.clock import Clock

#: Buckets kept at most; about 2 MB.
BUCKETS_MAX = 10_000


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
