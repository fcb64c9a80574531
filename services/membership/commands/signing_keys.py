"""Signing keys: made, announced, used, retired. The private half leaves this module only inside a signature."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.membership import tables
from services.membership.domain import signing_keys as rules
from shared.errors import Unavailable
from shared.messaging.outbox import outbox
from shared.persistence.unit_of_work import Reading, UnitOfWork
from shared.runtime.clock import rfc3339
from shared.security.keys import forget_key_from_now, new_signing_key, public_jwk, remember_key
from shared.security.tokens import sign

#: Names the key that seals the private halves: the master secret serves other purposes too.
SEALING_PURPOSE = b"membership signing keys"


def create_first_key(work: UnitOfWork, *, master_secret: str) -> str:
    """Make the first key, which signs at once, and record `signing_key.published`; gives its kid.

    `master_secret` is `settings.secret_or_demo()`. Where a key exists, gives the kid of the newest and changes nothing.
    """
    keys = _load_keys(work)
    if keys:
        return keys[-1].kid
    return _create(work, master_secret, signs_from=work.now)


def rotate_keys(work: UnitOfWork, *, master_secret: str) -> dict[str, Any]:
    """Make and announce the next key; it signs after the lead time. Gives {kid, signs_from}.

    Conflict `signing_key.rotation_pending` while the previous rotation has not been completed.
    """
    _lock_keys(work)
    rules.ensure_rotation_possible(_load_keys(work), work.now)
    signs_from = work.now + rules.LEAD_TIME
    return {"kid": _create(work, master_secret, signs_from=signs_from), "signs_from": signs_from}


def turn_keys(work: UnitOfWork, *, master_secret: str) -> None:
    """What falls due: mark superseded keys, retire those whose tokens have run out, rotate after the period."""
    _lock_keys(work)
    keys = _load_keys(work)
    table = tables.signing_keys
    for key in rules.find_superseded(keys, work.now):
        work.execute(sa.update(table).where(table.c.kid == key.kid).values(superseded_at=work.now))
    for key in rules.find_retirable(keys, work.now):
        _retire(work, key.kid)
    if rules.is_rotation_due(keys, work.now):
        rotate_keys(work, master_secret=master_secret)


def sign_token(reading: Reading, claims: Mapping[str, Any], *, master_secret: str) -> str:
    """The claims as a signed access token (RFC 9068, `typ` at+jwt)."""
    kid = rules.choose_signing_key(_load_keys(reading), reading.now).kid
    table = tables.signing_keys
    sealed = reading.scalar(sa.select(table.c.sealed_private_key).where(table.c.kid == kid))
    return sign(claims, _unseal(sealed, master_secret), kid)


def _lock_keys(work: UnitOfWork) -> None:
    # Two operators, or an operator and the timer: the second waits here, and then sees what the first has done.
    work.lock(sa.select(tables.alliance.c.alliance_id))


def _load_keys(reading: Reading) -> list[rules.Key]:
    table = tables.signing_keys
    announcements = sa.outerjoin(table, outbox, outbox.c.event_id == table.c.announcement_id)
    rows = reading.all(
        sa.select(table, outbox.c.event_id, outbox.c.sent_at)
        .select_from(announcements)
        .where(table.c.retired_at.is_(None))
        .order_by(table.c.created_at, table.c.kid)
    )
    return [
        rules.Key(
            kid=row.kid,
            created_at=row.created_at,
            signs_from=row.signs_from,
            # An announcement that is no longer in the outbox was sent long ago.
            announced_at=row.sent_at if row.event_id else row.created_at,
            superseded_at=row.superseded_at,
        )
        for row in rows
    ]


def _create(work: UnitOfWork, master_secret: str, *, signs_from: datetime) -> str:
    private = new_signing_key(work.ids)
    # Twelve bytes of the public half name the key; RFC 7638 thumbprints are longer and say no more to anybody.
    kid = private["x"][:16]
    public = public_jwk(private, kid)
    announcement = work.record(
        "membership.signing_key.published",
        subject=kid,
        data={"kid": kid, "jwk": public, "signs_from": rfc3339(signs_from)},
    )
    work.execute(
        sa.insert(tables.signing_keys).values(
            kid=kid,
            public_jwk=public,
            sealed_private_key=_seal(private, master_secret),
            created_at=work.now,
            signs_from=signs_from,
            announcement_id=announcement,
        )
    )
    # Membership verifies tokens like everybody else, only it need not wait for its own event.
    remember_key(work, kid, public)
    return kid


def _retire(work: UnitOfWork, kid: str) -> None:
    table = tables.signing_keys
    # The private half is of no more use to us, only to a thief.
    work.execute(sa.update(table).where(table.c.kid == kid).values(retired_at=work.now, sealed_private_key=""))
    forget_key_from_now(work, kid)
    work.record("membership.signing_key.retired", subject=kid, data={"kid": kid})


def _seal(private_jwk: Mapping[str, str], master_secret: str) -> str:
    clear = json.dumps(private_jwk, sort_keys=True).encode("ascii")
    return _sealing(master_secret).encrypt(clear).decode("ascii")


def _unseal(sealed: str, master_secret: str) -> dict[str, str]:
    try:
        clear = _sealing(master_secret).decrypt(sealed)
    except InvalidToken as error:
        # Another master secret than the one the key was made under: an operator's slip, and theirs to mend.
        raise Unavailable("signing_key.sealed_otherwise") from error
    private: dict[str, str] = json.loads(clear)
    return private


def _sealing(master_secret: str) -> Fernet:
    """Encryption under a key for this one purpose (HKDF, RFC 5869). The master secret is long and random, so it needs
    no slow hash.
    """
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=SEALING_PURPOSE).derive(master_secret.encode("utf-8"))
    return Fernet(base64.urlsafe_b64encode(key))
