"""The one source of identifiers and randomness.

Everything random in the system is drawn here, so that a seeded source makes a whole run repeatable.
"""

from __future__ import annotations

import random
import secrets
import threading
import uuid
from typing import Protocol

from shared.runtime.clock import Clock

#: Width of a secret, in bytes. 256 bits: unguessable, and no UUID's 122 bits (OWASP ASVS 11.5.1 wants at least 128).
SECRET_BYTES = 32


class Randomness(Protocol):
    """A source of random bits."""

    def getrandbits(self, count: int, /) -> int:
        """An integer of `count` random bits."""
        ...

    def random(self) -> float:
        """A float in [0, 1)."""
        ...


def system_randomness() -> Randomness:
    """The operating system's cryptographic source."""
    return secrets.SystemRandom()


def seeded_randomness(seed: int) -> Randomness:
    """A repeatable source for tests and simulation. Never for production secrets."""
    return random.Random(seed)  # noqa: S311 - repeatability is its purpose


class Identifiers:
    """Makes identifiers; safe to share between threads."""

    def __init__(self, clock: Clock, randomness: Randomness | None = None) -> None:
        self._clock = clock
        self._randomness = randomness or system_randomness()
        self._lock = threading.Lock()

    def new_id(self) -> str:
        """A UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds, then random bits; sorts by time of making."""
        milliseconds = int(self._clock.now().timestamp() * 1000) & ((1 << 48) - 1)
        bits = self._bits(74)
        value = milliseconds << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & ((1 << 62) - 1)
        return str(uuid.UUID(int=value))

    def secret(self) -> str:
        """64 hexadecimal characters: 256 random bits that carry no time and no order."""
        return f"{self._bits(SECRET_BYTES * 8):0{SECRET_BYTES * 2}x}"

    def fraction(self) -> float:
        """A float in [0, 1), for jitter."""
        with self._lock:
            return self._randomness.random()

    def _bits(self, count: int) -> int:
        with self._lock:
            return self._randomness.getrandbits(count)
