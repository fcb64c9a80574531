"""Password hashing: argon2id, a bounded number at a time. Must not know accounts or requests."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from shared.errors import Unavailable

#: OWASP Password Storage Cheat Sheet, argon2id minimum: 19 MiB, 2 passes, 1 lane.
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
#: Hashes computed at the same time in a process. Each holds 19 MiB and a core: a flood of sign-ins must not
#: starve the requests of people who are signed in already.
CONCURRENT_MAX = 4
#: How long a sign-in waits for its turn before it is asked to come back.
WAIT_SECONDS_MAX = 5.0

#: Hash of a random password that was thrown away, made with the parameters above: what a sign-in with an unknown
#: name is compared with, so that the answer takes as long.
_NOBODYS_HASH = "$argon2id$v=19$m=19456,t=2,p=1$56k6XQRBngq+RBtk84CGmA$B92uroA6nrKShKkr1dDYAlvdw0NLHr4Ywa3qn9iierA"

_turns = threading.BoundedSemaphore(CONCURRENT_MAX)


def hash_password(password: str) -> str:
    """The argon2id hash to store. Unavailable when too many are being computed."""
    with _turn():
        return _hasher().hash(_composed(password))


def verify_password(stored_hash: str | None, password: str) -> bool:
    """Whether the password fits. Without a stored hash it takes the same time and answers no."""
    with _turn():
        try:
            _hasher().verify(stored_hash or _NOBODYS_HASH, _composed(password))
        except (VerificationError, InvalidHashError):
            return False
    return stored_hash is not None


def needs_rehash(stored_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(stored_hash)


def _composed(password: str) -> str:
    # Keyboards differ in how they send an accented letter; to its owner it is the same password (NIST SP 800-63B).
    return unicodedata.normalize("NFC", password)


def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID)


@contextmanager
def _turn(wait_seconds: float = WAIT_SECONDS_MAX) -> Iterator[None]:
    if not _turns.acquire(timeout=wait_seconds):
        raise Unavailable("session.busy", retry_after_seconds=int(WAIT_SECONDS_MAX))
    try:
        yield
    finally:
        _turns.release()
