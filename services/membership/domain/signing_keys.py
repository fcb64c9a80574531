"""When a signing key signs, is superseded, and retires. Holds no key material.

Announce first, sign later: every service must know a key before it meets a token made with it, or the verifying
services would refuse people for a while after each rotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import Conflict, Unavailable

#: Lifetime of a token. Short, because a signature cannot be called back.
TOKEN_LIFETIME = timedelta(seconds=600)
#: Between announcing a key and signing with it: time for every service to receive the announcement, even one whose
#: worker is being restarted. Counted anew from the moment the announcement leaves the outbox, because a broker that
#: was away may have held it back.
LEAD_TIME = timedelta(minutes=5)
#: How much the clocks of two machines may differ.
CLOCK_LEEWAY = timedelta(seconds=60)
#: After this long a new key is made without being asked for.
SIGNING_PERIOD = timedelta(days=90)


@dataclass(frozen=True)
class Key:
    """What the decisions need to know of a key. `announced_at`: when its announcement left the outbox."""

    kid: str
    created_at: datetime
    signs_from: datetime
    announced_at: datetime | None
    superseded_at: datetime | None = None
    retired_at: datetime | None = None


def choose_signing_key(keys: Sequence[Key], now: datetime) -> Key:
    """The newest key that may sign. Unavailable where there is none.

    The very first key signs before its announcement has left: nobody could sign in otherwise, and there is no older
    key whose tokens would be better known.
    """
    known = [key for key in keys if key.retired_at is None]
    due = [key for key in known if key.announced_at and now >= max(key.signs_from, key.announced_at + LEAD_TIME)]
    if due:
        return max(due, key=_age)
    if not known:
        raise Unavailable("signing_key.none")
    return min(known, key=_age)


def ensure_rotation_possible(keys: Sequence[Key], now: datetime) -> None:
    """Refuse a rotation while the one before has not been completed. Conflict `signing_key.rotation_pending`."""
    current = choose_signing_key(keys, now)
    if any(_age(key) > _age(current) for key in keys):
        raise Conflict("signing_key.rotation_pending")


def is_rotation_due(keys: Sequence[Key], now: datetime) -> bool:
    """Whether the newest key has signed for its period."""
    return bool(keys) and now - max(keys, key=_age).signs_from >= SIGNING_PERIOD


def find_superseded(keys: Sequence[Key], now: datetime) -> tuple[Key, ...]:
    """Keys older than the one that signs and not yet marked so."""
    if not keys:
        return ()
    current = choose_signing_key(keys, now)
    return tuple(key for key in keys if _age(key) < _age(current) and key.superseded_at is None)


def find_retirable(keys: Sequence[Key], now: datetime) -> tuple[Key, ...]:
    """Superseded keys whose last token has run out on every clock."""
    return tuple(
        key
        for key in keys
        if key.retired_at is None
        and key.superseded_at is not None
        and now >= key.superseded_at + TOKEN_LIFETIME + CLOCK_LEEWAY
    )


def _age(key: Key) -> tuple[datetime, str]:
    return key.created_at, key.kid
