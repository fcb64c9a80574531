"""Verification keys: accepted from events, retired for good, never private, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import Conflict, Invalid
from shared.messaging.contracts import Consumed, take_view
from shared.messaging.envelope import Event, build, encode, parse
from shared.persistence.unit_of_work import Cause
from shared.runtime.clock import ManualClock
from shared.security.keys import (
    KeyPublishedView,
    KeyRetiredView,
    accept_signing_key,
    ensure_verification_key,
    list_verification_keys,
    new_signing_key,
    public_jwk,
    remember_key,
    retire_signing_key,
)
from tests.builders.toy import KID, NOTES, Signer, Toy

CONSUMES = {
    "membership.signing_key.published": Consumed(KeyPublishedView),
    "membership.signing_key.retired": Consumed(KeyRetiredView),
}


def event_of(toy: Toy, name: str, **data: Any) -> Event:
    envelope = build(
        event_id=toy.assembly.ids.new_id(),
        event_type=f"membership.signing_key.{name}",
        major=1,
        service="membership",
        subject=data["kid"],
        sequence=1,
        time=toy.assembly.clock.now(),
        data=data,
        cause=Cause("story-1"),
        article=None,
    )
    return take_view(CONSUMES, parse(encode(envelope).encode()))


def status_with(toy: Toy, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return toy.app.test_client().get(NOTES, headers=headers).status_code


def test_a_key_is_rotated_by_events(toy_on_both: Toy, clock: ManualClock) -> None:
    # given a second key that nobody knows yet
    new = Signer(clock, seed=31)
    token = new.token(kid="key-2")
    assert status_with(toy_on_both, token) == 401

    # when its publication arrives
    jwk = public_jwk(new.private, "key-2")
    event = event_of(toy_on_both, "published", kid="key-2", jwk=jwk, signs_from="2026-03-02T02:00:00.000000Z")
    with toy_on_both.assembly.begin() as work:
        accept_signing_key(work, event)
    clock.advance(1)

    # then both keys hold, until the old one is retired
    assert status_with(toy_on_both, token) == 200
    assert status_with(toy_on_both, toy_on_both.signer.token()) == 200
    with toy_on_both.assembly.begin() as work:
        retire_signing_key(work, event_of(toy_on_both, "retired", kid=KID))
    clock.advance(5)
    assert status_with(toy_on_both, token) == 200
    assert status_with(toy_on_both, toy_on_both.signer.token()) == 401


def test_a_key_that_comes_twice_is_one_key_and_stays_retired(toy_on_both: Toy) -> None:
    with toy_on_both.assembly.begin() as work:
        retire_signing_key(work, event_of(toy_on_both, "retired", kid=KID))
    with toy_on_both.assembly.begin() as work:
        remember_key(work, KID, toy_on_both.signer.public)

    with toy_on_both.assembly.reading() as look:
        (key,) = list_verification_keys(look)
    assert key.retired_at is not None


def test_another_key_under_a_known_id_is_refused(toy: Toy, clock: ManualClock) -> None:
    with pytest.raises(Conflict) as refused, toy.assembly.begin() as work:
        remember_key(work, KID, Signer(clock, seed=77).public)

    assert refused.value.code == "key.id_taken"


@pytest.mark.parametrize(
    ("kid", "change", "code"),
    [
        ("../key", {}, "key.id_malformed"),
        ("", {}, "key.id_malformed"),
        ("k" * 65, {}, "key.id_malformed"),
        ("key-3", {"d": "AAAA"}, "key.private"),
        ("key-3", {"kty": "RSA"}, "key.not_ed25519"),
        ("key-3", {"crv": "Ed448"}, "key.not_ed25519"),
        ("key-3", {"x": None}, "key.not_ed25519"),
        ("key-3", {"x": "AAAA"}, "key.not_ed25519"),
        ("key-3", {"x": "株"}, "key.not_ed25519"),
    ],
)
def test_only_public_ed25519_keys_are_accepted(toy: Toy, kid: str, change: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        ensure_verification_key(kid, {**toy.signer.public, **change})

    assert refused.value.code == code


def test_a_new_signing_key_is_drawn_from_the_one_source(toy: Toy, clock: ManualClock) -> None:
    assert Signer(clock, seed=1).private == Signer(clock, seed=1).private
    assert Signer(clock, seed=1).private != Signer(clock, seed=2).private
    private = new_signing_key(toy.assembly.ids)
    assert set(private) == {"kty", "crv", "x", "d"}
    assert "d" not in public_jwk(private, "key-9")
