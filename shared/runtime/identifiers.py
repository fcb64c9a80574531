"""The one source of identifiers and randomness.

Everything random in the system is drawn here, so that a seeded source makes a whole run repeatable.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import threading
import uuid
from datetime import datetime
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

    def __init__(self, clock: Clock, randomness: Randomness | None = None, *, owner: str = "") -> None:
        """`owner` tells identifiers that several derive from the same thing apart: the service's name."""
        self._clock = clock
        self._randomness = randomness or system_randomness()
        self._owner = owner
        self._lock = threading.Lock()

    def derived_from(self, origin: str, at: datetime) -> Identifiers:
        """Identifiers for what follows from one thing, such as an event: made again from it, they are the same.

        So a service that takes an event in again after a restore tells nothing new about it, and a rebuilt row equals
        the one that was there. Secrets are never derived.
        """
        return _Derived(self, f"{self._owner} {origin}", at)

    def new_id(self, name: str = "") -> str:  # noqa: ARG002 - for derived ids
        """A UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds, then random bits; sorts by time of making.

        `name` says what it is for, where several follow from one thing: a derived id then does not depend on how many
        others were drawn before.
        """
        return _uuid7(self._clock.now(), self._bits(74))

    def unordered_id(self) -> str:
        """64 hexadecimal characters that carry no time and no order; an identifier, not a secret."""
        return self.secret()

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


class _Derived(Identifiers):
    """See `Identifiers.derived_from`. Each name is used once; a repetition of it gets the next number."""

    def __init__(self, origin: Identifiers, seed: str, at: datetime) -> None:
        super().__init__(origin._clock, origin._randomness, owner=origin._owner)  # noqa: SLF001 - its own class
        self._seed = seed
        self._at = at
        self._used: dict[str, int] = {}

    def new_id(self, name: str = "") -> str:
        return _uuid7(self._at, self._digest(f"id {name}", 16) & ((1 << 74) - 1))

    def unordered_id(self) -> str:
        return f"{self._digest('unordered', SECRET_BYTES):0{SECRET_BYTES * 2}x}"

    def _digest(self, name: str, length: int) -> int:
        with self._lock:
            number = self._used[name] = self._used.get(name, 0) + 1
        return int.from_bytes(hashlib.shake_256(f"{self._seed} {name} {number}".encode()).digest(length))


def _uuid7(at: datetime, bits: int) -> str:
    milliseconds = int(at.timestamp() * 1000) & ((1 << 48) - 1)
    value = milliseconds << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & ((1 << 62) - 1)
    return str(uuid.UUID(int=value))
