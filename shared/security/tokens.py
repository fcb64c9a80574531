"""Access tokens: how they are signed and when they are believed.

One form only: a compact JWS with `typ: at+jwt` (RFC 9068), signed with Ed25519 (RFC 8037, RFC 9864), by a key that
this service has accepted. Anything else is refused before the signature is even looked at. Why a token was refused
is for the log; the caller learns only that it was. This module knows no HTTP and no database.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from sqlalchemy.exc import SQLAlchemyError

from shared.errors import Unauthenticated
from shared.runtime.clock import Clock

#: RFC 9864 names the curve in the algorithm; plain "EdDSA" is deprecated because it leaves the curve open.
ALGORITHM = "Ed25519"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type, no secret
AUDIENCE = "lianmeng"
#: Longest token looked at, in characters. Ours have about 700; a long one must not cost time.
TOKEN_LENGTH_MAX = 4096
#: How far clocks may be apart, in seconds.
LEEWAY_SECONDS = 60
#: An unknown key id makes us look for new keys at most this often, in seconds: guessing ids must not load the database.
UNKNOWN_KEY_PAUSE_SECONDS = 1.0
#: Age at which known keys are read again, in seconds, so that a retirement takes effect in every process.
KEYS_AGE_MAX_SECONDS = 5.0

_PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER_NAMES = {"alg", "typ", "kid"}
_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM])


class TokenRefused(Unauthenticated):
    """The token does not hold. `reason` is for the log and never shown to the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__("access.token_refused")
        self.reason = reason


@dataclass(frozen=True)
class Claims:
    """What a valid token says."""

    subject: str
    kind: Literal["person", "platform"]
    token_id: str
    expires_at_epoch: int
    roles: frozenset[str] = field(default_factory=frozenset)
    unit_id: str | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    #: When the person last gave the password, in seconds since 1970; None where the token does not say.
    authenticated_at_epoch: int | None = None
    #: The session in which the token was made, where it was made in one.
    session_id: str | None = None


@dataclass(frozen=True)
class VerificationKey:
    """A public key and, once retired, since when it is no longer believed."""

    kid: str
    jwk: Mapping[str, Any]
    retired_at: datetime | None = None


def sign(claims: Mapping[str, Any], private_jwk: Mapping[str, Any], kid: str) -> str:
    """A token over `claims` (times as whole seconds since 1970). The header has one home: here."""
    header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": kid}
    payload = json.dumps(dict(claims), ensure_ascii=False, separators=(",", ":"))
    return jws.serialize_compact(header, payload, _import_key(private_jwk), registry=_REGISTRY)


class Verifier:
    """Believes tokens that accepted keys signed. Thread-safe; a verification costs about 0.2 ms.

    `load_keys` returns every accepted key, retired ones included; it may raise when the database does not answer.
    Keys already known go on being believed then, so a database outage does not sign everybody out.
    """

    def __init__(self, *, issuer: str, clock: Clock, load_keys: Callable[[], list[VerificationKey]]) -> None:
        self._issuer = issuer
        self._clock = clock
        self._load_keys = load_keys
        self._keys: dict[str, tuple[OKPKey, datetime | None]] = {}
        self._loaded_at: float | None = None
        self._lock = threading.Lock()

    def verify(self, token: str) -> Claims:
        """The claims of a token that holds in every respect; raises TokenRefused otherwise."""
        if len(token) > TOKEN_LENGTH_MAX:
            raise TokenRefused("too long")
        parts = _PARTS.fullmatch(token)
        if parts is None:
            raise TokenRefused("not a compact JWS")
        key = self._key_of(_checked_header(parts.group(1)))
        try:
            signed = jws.deserialize_compact(token, key, registry=_REGISTRY)
        except (JoseError, ValueError) as error:
            raise TokenRefused(f"signature: {type(error).__name__}") from error
        if base64.urlsafe_b64encode(_decoded(parts.group(3))).rstrip(b"=").decode() != parts.group(3):
            # The last character has spare bits: without this check one token could be written in several ways.
            raise TokenRefused("signature not in canonical form")
        return self._checked_claims(_object_of(signed.payload or b"", "payload"))

    def _key_of(self, kid: str) -> OKPKey:
        self._refresh(kid)
        found = self._keys.get(kid)
        if found is None:
            raise TokenRefused("unknown key id")
        key, retired_at = found
        if retired_at is not None and retired_at <= self._clock.now():
            raise TokenRefused("key retired")
        return key

    def _refresh(self, kid: str) -> None:
        with self._lock:
            known = kid in self._keys
            age = None if self._loaded_at is None else self._clock.monotonic() - self._loaded_at
            if age is not None and age < (KEYS_AGE_MAX_SECONDS if known else UNKNOWN_KEY_PAUSE_SECONDS):
                return
            try:
                loaded = self._load_keys()
            except SQLAlchemyError:
                if not known:
                    raise
                self._loaded_at = self._clock.monotonic()
                return
            self._keys = {each.kid: (_import_key(each.jwk), each.retired_at) for each in loaded}
            self._loaded_at = self._clock.monotonic()

    def _checked_claims(self, claims: dict[str, Any]) -> Claims:
        if claims.get("iss") != self._issuer:
            raise TokenRefused("wrong issuer")
        if claims.get("aud") != AUDIENCE:
            raise TokenRefused("wrong audience")
        self._check_times(claims)
        kind = claims.get("kind")
        if kind not in ("person", "platform"):
            raise TokenRefused("kind")
        scope = claims.get("scope", "")
        if not isinstance(scope, str):
            raise TokenRefused("scope")
        return Claims(
            subject=_text(claims, "sub"),
            kind=kind,
            token_id=_text(claims, "jti"),
            expires_at_epoch=claims["exp"],
            roles=_texts(claims, "roles"),
            unit_id=None if claims.get("unit") is None else _text(claims, "unit"),
            scopes=frozenset(scope.split()),
            authenticated_at_epoch=self._checked_authentication(claims),
            session_id=None if claims.get("sid") is None else _text(claims, "sid"),
        )

    def _checked_authentication(self, claims: Mapping[str, Any]) -> int | None:
        value = claims.get("auth_time")
        if value is None:
            return None
        if type(value) is not int:
            raise TokenRefused("auth_time is no whole number")
        if value - LEEWAY_SECONDS > self._clock.now().timestamp():
            raise TokenRefused("authenticated in the future")
        return value

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.now().timestamp()
        for name in ("exp", "nbf", "iat"):
            # A bool is an int to Python, and a NaN would compare false with everything and never expire.
            if type(claims.get(name)) is not int:
                raise TokenRefused(f"{name} missing or no whole number")
        if claims["exp"] + LEEWAY_SECONDS <= now:
            raise TokenRefused("expired")
        if claims["nbf"] - LEEWAY_SECONDS > now:
            raise TokenRefused("not yet valid")
        if claims["iat"] - LEEWAY_SECONDS > now:
            raise TokenRefused("issued in the future")


def _import_key(jwk: Mapping[str, Any]) -> OKPKey:
    # Only the numbers: `use`, `alg` or `key_ops` of a stored key must not change what the key may do here.
    numbers = {name: jwk[name] for name in ("kty", "crv", "x", "d") if name in jwk}
    return OKPKey.import_key(cast("Any", numbers))


def _checked_header(encoded: str) -> str:
    """The key id of an acceptable header.

    Nothing beyond three names is allowed: that rules out keys brought along (`jwk`, `jku`, `x5u`, `x5c`), critical
    extensions (`crit`) and unencoded payloads (`b64`) in one rule.
    """
    header = _object_of(_decoded(encoded), "header")
    if set(header) != _HEADER_NAMES:
        raise TokenRefused("header names")
    if header["alg"] != ALGORITHM:
        raise TokenRefused("algorithm")
    if header["typ"] != TOKEN_TYPE:
        raise TokenRefused("type")
    kid = header["kid"]
    if not isinstance(kid, str) or KEY_ID.fullmatch(kid) is None:
        raise TokenRefused("form of key id")
    return kid


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("base64") from error


def _object_of(raw: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise TokenRefused(f"{what} is no JSON") from error
    if not isinstance(value, dict):
        raise TokenRefused(f"{what} is no object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate name")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value or len(value) > 200:
        raise TokenRefused(name)
    return value


def _texts(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    values = claims.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TokenRefused(name)
    return frozenset(values)
