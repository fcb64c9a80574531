"""Verification keys: the public keys whose tokens this service believes, kept in its own database.

Membership publishes its keys as events; every service stores them, so tokens are verified offline, through key
rotation, and while membership is down. No private key ever enters this table.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import marshmallow as ma
import sqlalchemy as sa
from joserfc.jwk import OKPKey

from shared.errors import Conflict, Invalid
from shared.messaging.contracts import ConsumedSchema
from shared.messaging.envelope import Event
from shared.persistence.columns import Json, Utc, kernel_metadata
from shared.persistence.unit_of_work import Reading, UnitOfWork
from shared.runtime.identifiers import Identifiers
from shared.security.tokens import ALGORITHM, KEY_ID, VerificationKey

verification_keys = sa.Table(
    "verification_keys",
    kernel_metadata,
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("jwk", Json, nullable=False),
    sa.Column("accepted_at", Utc(), nullable=False),
    sa.Column("retired_at", Utc(), nullable=True),
)

#: Public numbers of a key; everything that is stored and shown.
_PUBLIC_NAMES = ("kty", "crv", "x")


class KeyPublishedView(ConsumedSchema):
    """What a verifying service needs of `membership.signing_key.published`."""

    kid = ma.fields.String(required=True)
    jwk = ma.fields.Dict(keys=ma.fields.String(), required=True)


class KeyRetiredView(ConsumedSchema):
    """What a verifying service needs of `membership.signing_key.retired`."""

    kid = ma.fields.String(required=True)


def new_signing_key(ids: Identifiers) -> dict[str, str]:
    """A private Ed25519 JWK from the house's one source of randomness. Its owner encrypts it before storing."""
    seed = bytes.fromhex(ids.secret())
    private = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": _base64url(seed), "x": _public_of(seed)})
    return {"kty": "OKP", "crv": "Ed25519", "x": str(private.as_dict()["x"]), "d": _base64url(seed)}


def public_jwk(jwk: Mapping[str, Any], kid: str) -> dict[str, str]:
    """The public half, as it is published in events and in the JWKS document."""
    return {**{name: str(jwk[name]) for name in _PUBLIC_NAMES}, "kid": kid, "alg": ALGORITHM, "use": "sig"}


def remember_key(work: UnitOfWork, kid: str, jwk: Mapping[str, Any]) -> None:
    """Believe this key from now on. Repeating it changes nothing; another key under a known id is refused."""
    ensure_verification_key(kid, jwk)
    stored = public_jwk(jwk, kid)
    row = {"kid": kid, "jwk": stored, "accepted_at": work.now, "retired_at": None}
    if work.insert_if_absent(verification_keys, row):
        return
    known = work.scalar(sa.select(verification_keys.c.jwk).where(verification_keys.c.kid == kid))
    if known["x"] != stored["x"]:
        raise Conflict("key.id_taken", kid=kid)


def forget_key_from_now(work: UnitOfWork, kid: str) -> None:
    """Stop believing a key. The row stays, so that the same key cannot come back."""
    work.execute(
        sa.update(verification_keys)
        .where(verification_keys.c.kid == kid, verification_keys.c.retired_at.is_(None))
        .values(retired_at=work.now)
    )


def accept_signing_key(work: UnitOfWork, event: Event) -> None:
    """Reaction to `membership.signing_key.published`."""
    remember_key(work, event.data["kid"], event.data["jwk"])


def retire_signing_key(work: UnitOfWork, event: Event) -> None:
    """Reaction to `membership.signing_key.retired`."""
    forget_key_from_now(work, event.data["kid"])


def list_verification_keys(reading: Reading) -> list[VerificationKey]:
    """Every key ever accepted, oldest first; a handful."""
    rows = reading.all(sa.select(verification_keys).order_by(verification_keys.c.accepted_at, verification_keys.c.kid))
    return [VerificationKey(kid=row.kid, jwk=row.jwk, retired_at=row.retired_at) for row in rows]


def ensure_verification_key(kid: str, jwk: Mapping[str, Any]) -> None:
    """Refuses everything but a public Ed25519 key under a plain id."""
    if KEY_ID.fullmatch(kid) is None:
        raise Invalid("key.id_malformed", field="kid")
    if "d" in jwk:
        raise Invalid("key.private", field="jwk")
    x = jwk.get("x")
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or not isinstance(x, str) or not _is_32_bytes(x):
        raise Invalid("key.not_ed25519", field="jwk")


def _is_32_bytes(encoded: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))) == 32
    except (binascii.Error, ValueError):
        return False


def _public_of(seed: bytes) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - only membership

    return _base64url(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
