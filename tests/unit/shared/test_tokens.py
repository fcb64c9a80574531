"""Tokens: one form is believed, every other is refused, whatever it tries."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from shared.runtime.clock import ManualClock
from shared.security.tokens import ALGORITHM, TOKEN_LENGTH_MAX, TokenRefused, VerificationKey, Verifier
from tests.builders.toy import ISSUER, KID, START, Signer


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def part(value: Any) -> str:
    return encode(value if isinstance(value, bytes) else json.dumps(value).encode())


class Forge:
    """Builds tokens of every kind, with our key or without."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.signer = Signer(self.clock)
        key = OKPKey.import_key(dict(self.signer.private)).private_key
        assert isinstance(key, Ed25519PrivateKey)
        self.key = key
        self.now = int(START.timestamp())

    def raw(self, header: Any, payload: Any) -> str:
        """Signed with the accepted key, whatever header and payload are."""
        signed = f"{part(header)}.{part(payload)}"
        return f"{signed}.{encode(self.key.sign(signed.encode()))}"

    def header(self, **changes: Any) -> dict[str, Any]:
        merged = {"alg": ALGORITHM, "typ": "at+jwt", "kid": KID, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def with_header(self, **changes: Any) -> str:
        return self.raw(self.header(**changes), self.signer.claims())

    def with_claims(self, **changes: Any) -> str:
        return self.raw(self.header(), self.signer.claims(**changes))

    def hs256_with_public_key(self) -> str:
        """The classic: the public key taken for an HMAC secret."""
        signed = f"{part(self.header(alg='HS256'))}.{part(self.signer.claims())}"
        secret = base64.urlsafe_b64decode(self.signer.public["x"] + "=")
        return f"{signed}.{encode(hmac.digest(secret, signed.encode(), hashlib.sha256))}"

    def by(self, key: Any, alg: str, **header: Any) -> str:
        registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
        return jws.serialize_compact(
            self.header(alg=alg, **header), json.dumps(self.signer.claims()), key, registry=registry
        )

    def foreign(self, **header: Any) -> str:
        return self.by(OKPKey.import_key(dict(Signer(self.clock, seed=99).private)), ALGORITHM, **header)

    def good(self) -> str:
        return self.signer.token()


def duplicate(text: bytes, name: bytes) -> bytes:
    return text.replace(b"{", b'{"' + name + b'": "first", ', 1)


BAD_TOKENS: dict[str, Callable[[Forge], str]] = {
    # no token, or no form of one
    "empty": lambda f: "",
    "one word": lambda f: "token",
    "two parts": lambda f: ".".join(f.good().split(".")[:2]),
    "four parts": lambda f: f.good() + ".AAAA",
    "five parts, as of JWE": lambda f: "a.b.c.d.e",
    "empty signature": lambda f: f.good().rpartition(".")[0] + ".",
    "spaces inside": lambda f: f.good().replace(".", ". "),
    "a newline at the end": lambda f: f.good() + "\n",
    "padding": lambda f: f.good() + "=",
    "plain base64 alphabet": lambda f: f.good()[:-1] + "+",
    "one megabyte": lambda f: f.good() + "A" * 1_000_000,
    "one megabyte of dots": lambda f: "." * 1_000_000,
    "just too long": lambda f: f.with_claims(padding="x" * TOKEN_LENGTH_MAX),
    "not ascii": lambda f: "ｅyJ." + f.good(),
    "JSON serialisation": lambda f: json.dumps({"payload": "e30", "signature": "AA"}),
    # header
    "header no JSON": lambda f: f.raw(b"{", f.signer.claims()),
    "header a list": lambda f: f.raw([], f.signer.claims()),
    "header not UTF-8": lambda f: f.raw(b'{"alg":"\xff"}', f.signer.claims()),
    "header with a duplicate name": lambda f: f.raw(
        duplicate(json.dumps(f.header()).encode(), b"kid"), f.signer.claims()
    ),
    "alg none": lambda f: f"{part(f.header(alg='none'))}.{part(f.signer.claims())}.",
    "alg none with a signature": lambda f: f.with_header(alg="none"),
    "alg None in capitals": lambda f: f.with_header(alg="NoNe"),
    "alg missing": lambda f: f.with_header(alg=None),
    "alg a list": lambda f: f.with_header(alg=[ALGORITHM]),
    "alg EdDSA, which leaves the curve open": lambda f: f.with_header(alg="EdDSA"),
    "HS256 with our public key as the secret": lambda f: f.hs256_with_public_key(),
    "RS256 with a key of its own": lambda f: f.by(RSAKey.generate_key(2048), "RS256"),
    "ES256 with a key of its own": lambda f: f.by(ECKey.generate_key("P-256"), "ES256"),
    "typ missing": lambda f: f.with_header(typ=None),
    "typ JWT, as of an identity token": lambda f: f.with_header(typ="JWT"),
    "typ in capitals": lambda f: f.with_header(typ="AT+JWT"),
    "kid missing": lambda f: f.with_header(kid=None),
    "kid a number": lambda f: f.with_header(kid=1),
    "kid unknown": lambda f: f.with_header(kid="key-2"),
    "kid a path": lambda f: f.with_header(kid="../../../../dev/null"),
    "kid SQL": lambda f: f.with_header(kid="key-1' OR '1'='1"),
    "kid with NUL": lambda f: f.with_header(kid="key-1\x00"),
    "kid long": lambda f: f.with_header(kid="k" * 65),
    "jwk brought along": lambda f: f.foreign(jwk=Signer(f.clock, seed=99).public),
    "jku brought along": lambda f: f.foreign(jku="https://evil.example/jwks.json"),
    "x5u brought along": lambda f: f.foreign(x5u="https://evil.example/cert.pem"),
    "x5c brought along": lambda f: f.foreign(x5c=["AAAA"]),
    "jwk beside a good signature": lambda f: f.with_header(jwk=f.signer.public),
    "crit": lambda f: f.with_header(crit=["exp"]),
    "b64 false": lambda f: f.with_header(b64=False, crit=["b64"]),
    "zip": lambda f: f.with_header(zip="DEF"),
    "cty": lambda f: f.with_header(cty="JWT"),
    # signature
    "foreign key under our kid": lambda f: f.foreign(),
    "signature of another token": lambda f: (
        f"{f.good().rpartition('.')[0]}.{f.with_claims(sub='b').rpartition('.')[2]}"
    ),
    "payload changed": lambda f: ".".join(
        [f.good().split(".")[0], part(f.signer.claims(sub="b")), f.good().split(".")[2]]
    ),
    "signature cut short": lambda f: f.good()[:-8],
    "signature of zeros": lambda f: f"{f.good().rpartition('.')[0]}.{encode(bytes(64))}",
    "signature in another spelling": lambda f: respelled(f.good()),
    # claims
    "payload no JSON": lambda f: f.raw(f.header(), b"hello"),
    "payload a list": lambda f: f.raw(f.header(), [1]),
    "payload with duplicate claims": lambda f: f.raw(
        f.header(), duplicate(json.dumps(f.signer.claims()).encode(), b"sub")
    ),
    "payload deeply nested": lambda f: f.raw(f.header(), b"[" * 2000),
    "iss missing": lambda f: f.with_claims(iss=None),
    "iss wrong": lambda f: f.with_claims(iss="urn:evil"),
    "iss a list": lambda f: f.with_claims(iss=[ISSUER]),
    "aud missing": lambda f: f.with_claims(aud=None),
    "aud wrong": lambda f: f.with_claims(aud="console"),
    "aud a list": lambda f: f.with_claims(aud=["lianmeng", "other"]),
    "exp missing": lambda f: f.with_claims(exp=None),
    "exp passed": lambda f: f.with_claims(exp=f.now - 61),
    "exp text": lambda f: f.with_claims(exp=str(f.now + 600)),
    "exp a fraction": lambda f: f.with_claims(exp=f.now + 600.5),
    "exp true": lambda f: f.with_claims(exp=True),
    "exp NaN": lambda f: f.raw(f.header(), json.dumps(f.signer.claims(exp=float("nan"))).encode()),
    "exp infinite": lambda f: f.raw(f.header(), json.dumps(f.signer.claims(exp=float("inf"))).encode()),
    "nbf missing": lambda f: f.with_claims(nbf=None),
    "not yet valid": lambda f: f.with_claims(nbf=f.now + 61),
    "iat missing": lambda f: f.with_claims(iat=None),
    "issued in the future": lambda f: f.with_claims(iat=f.now + 61),
    "sub missing": lambda f: f.with_claims(sub=None),
    "sub empty": lambda f: f.with_claims(sub=""),
    "sub a number": lambda f: f.with_claims(sub=1),
    "sub long": lambda f: f.with_claims(sub="s" * 201),
    "jti missing": lambda f: f.with_claims(jti=None),
    "kind missing": lambda f: f.with_claims(kind=None),
    "kind unknown": lambda f: f.with_claims(kind="root"),
    "roles text": lambda f: f.with_claims(roles="secretariat"),
    "roles of numbers": lambda f: f.with_claims(roles=[1]),
    "unit a list": lambda f: f.with_claims(unit=["member-1"]),
    "scope a list": lambda f: f.with_claims(scope=["a", "b"]),
    "auth_time text": lambda f: f.with_claims(auth_time=str(f.now)),
    "auth_time a fraction": lambda f: f.with_claims(auth_time=f.now + 0.5),
    "auth_time true": lambda f: f.with_claims(auth_time=True),
    "auth_time NaN": lambda f: f.raw(f.header(), json.dumps(f.signer.claims(auth_time=float("nan"))).encode()),
    "authenticated in the future": lambda f: f.with_claims(auth_time=f.now + 61),
    "sid a number": lambda f: f.with_claims(sid=1),
    "sid empty": lambda f: f.with_claims(sid=""),
}


def respelled(token: str) -> str:
    """The same signature bytes with other spare bits in the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


@pytest.fixture
def forge() -> Forge:
    return Forge()


def verifier_of(forge: Forge, *keys: VerificationKey) -> Verifier:
    known = list(keys) or [VerificationKey(KID, forge.signer.public)]
    return Verifier(issuer=ISSUER, clock=forge.clock, load_keys=lambda: known)


def test_a_token_may_say_when_the_password_was_given_and_in_which_session(forge: Forge) -> None:
    verifier = verifier_of(forge)

    told = verifier.verify(forge.with_claims(auth_time=forge.now - 3600, sid="session-1"))
    untold = verifier.verify(forge.good())

    assert (told.authenticated_at_epoch, told.session_id) == (forge.now - 3600, "session-1")
    assert (untold.authenticated_at_epoch, untold.session_id) == (None, None)


def test_there_are_at_least_thirty_kinds_of_bad_tokens() -> None:
    assert len(BAD_TOKENS) >= 30


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_is_refused(forge: Forge, kind: str) -> None:
    # given a verifier that believes a good token of the same forge
    verifier = verifier_of(forge)
    assert verifier.verify(forge.good()).subject == "account-1"

    # when a bad one comes
    with pytest.raises(TokenRefused) as refused:
        verifier.verify(BAD_TOKENS[kind](forge))

    # then the caller learns nothing but that, and the log learns why
    assert refused.value.code == "access.token_refused"
    assert refused.value.params == {}
    assert refused.value.reason


def test_a_forged_header_with_our_key_shows_that_the_forge_signs_well(forge: Forge) -> None:
    assert verifier_of(forge).verify(forge.with_header()).token_id == "token-1"
    assert verifier_of(forge).verify(forge.with_claims(sub="b")).subject == "b"


def test_the_claims_of_a_person_and_a_platform_are_read(forge: Forge) -> None:
    verifier = verifier_of(forge)

    person = verifier.verify(forge.with_claims(roles=["committee", "representative"], unit="member-1"))
    platform = verifier.verify(forge.with_claims(kind="platform", roles=None, scope="roster:read ballots:read"))

    assert (person.kind, person.roles, person.unit_id) == (
        "person",
        frozenset({"committee", "representative"}),
        "member-1",
    )
    assert (platform.kind, platform.scopes, platform.roles) == (
        "platform",
        frozenset({"roster:read", "ballots:read"}),
        frozenset(),
    )


def test_clocks_may_be_a_minute_apart(forge: Forge) -> None:
    verifier = verifier_of(forge)

    assert verifier.verify(forge.with_claims(exp=forge.now - 59)).subject
    assert verifier.verify(forge.with_claims(nbf=forge.now + 60, iat=forge.now + 60)).subject


def test_a_token_expires_while_time_passes(forge: Forge) -> None:
    verifier, token = verifier_of(forge), forge.good()
    assert verifier.verify(token).subject

    forge.clock.advance(600 + 60)

    with pytest.raises(TokenRefused) as refused:
        verifier.verify(token)
    assert refused.value.reason == "expired"


def test_a_retired_key_is_refused_from_its_retirement_on(forge: Forge) -> None:
    retired = VerificationKey(KID, forge.signer.public, retired_at=START + timedelta(seconds=10))
    verifier = verifier_of(forge, retired)
    assert verifier.verify(forge.good()).subject

    forge.clock.advance(10)

    with pytest.raises(TokenRefused) as refused:
        verifier.verify(forge.good())
    assert refused.value.reason == "key retired"


class Store:
    """A key store that counts how often it is read."""

    def __init__(self, keys: list[VerificationKey]) -> None:
        self.keys = keys
        self.reads = 0
        self.away = False

    def __call__(self) -> list[VerificationKey]:
        self.reads += 1
        if self.away:
            raise sa.exc.OperationalError("SELECT", {}, Exception("gone"))
        return self.keys


def test_a_new_key_is_believed_as_soon_as_it_is_stored_and_a_second_has_passed(forge: Forge) -> None:
    # given a verifier that has looked, in vain, for the key
    store = Store([])
    verifier = Verifier(issuer=ISSUER, clock=forge.clock, load_keys=store)
    with pytest.raises(TokenRefused):
        verifier.verify(forge.good())

    # when the key arrives
    store.keys = [VerificationKey(KID, forge.signer.public)]
    forge.clock.advance(1)

    # then
    assert verifier.verify(forge.good()).subject


def test_guessing_key_ids_reads_the_store_at_most_once_a_second(forge: Forge) -> None:
    store = Store([VerificationKey(KID, forge.signer.public)])
    verifier = Verifier(issuer=ISSUER, clock=forge.clock, load_keys=store)

    for number in range(100):
        with pytest.raises(TokenRefused):
            verifier.verify(forge.with_header(kid=f"guess-{number}"))
    assert store.reads == 1

    forge.clock.advance(1)
    with pytest.raises(TokenRefused):
        verifier.verify(forge.with_header(kid="guess"))
    assert store.reads == 2


def test_good_tokens_do_not_read_the_store_each_time(forge: Forge) -> None:
    store = Store([VerificationKey(KID, forge.signer.public)])
    verifier = Verifier(issuer=ISSUER, clock=forge.clock, load_keys=store)

    for _ in range(50):
        verifier.verify(forge.good())

    assert store.reads == 1


def test_a_retirement_is_noticed_within_five_seconds(forge: Forge) -> None:
    store = Store([VerificationKey(KID, forge.signer.public)])
    verifier = Verifier(issuer=ISSUER, clock=forge.clock, load_keys=store)
    assert verifier.verify(forge.good()).subject

    store.keys = [VerificationKey(KID, forge.signer.public, retired_at=START)]
    forge.clock.advance(5)

    with pytest.raises(TokenRefused):
        verifier.verify(forge.good())


def test_known_keys_are_believed_while_the_database_is_away(forge: Forge) -> None:
    store = Store([VerificationKey(KID, forge.signer.public)])
    verifier = Verifier(issuer=ISSUER, clock=forge.clock, load_keys=store)
    assert verifier.verify(forge.good()).subject

    store.away = True
    forge.clock.advance(6)

    assert verifier.verify(forge.good()).subject
    # an unknown key is another matter: nobody can say whether it is good, so it is our failure, not the caller's
    forge.clock.advance(6)
    with pytest.raises(sa.exc.OperationalError):
        verifier.verify(forge.with_header(kid="newer"))
