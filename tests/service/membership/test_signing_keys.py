"""Signing keys: announced, then used, then retired; sealed at rest; published as a key set."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from services.membership import tables
from services.membership.api.signing_keys import rotate_keys_command
from services.membership.timers import turn_signing_keys
from shared.runtime.clock import ManualClock
from tests.fixtures.assemblies import MakeAssembly
from tests.service.membership.driver import Membership, refused
from tests.service.membership.test_sign_in import PASSWORD, staff_account

JWKS = "/api/membership/.well-known/jwks.json"


def key_set(house: Membership) -> list[str]:
    """Ids of the published keys."""
    answer = house.web.get(JWKS)
    assert answer.mimetype == "application/jwk-set+json"
    return [key["kid"] for key in answer.get_json()["keys"]]


def signer(house: Membership) -> tuple[str, str]:
    """Which key signs now, and a token it made."""
    token = house.sign_in("li.wei", PASSWORD).get_json()["access_token"]
    header = json.loads(_unpadded(token.split(".")[0]))
    assert (header["alg"], header["typ"]) == ("Ed25519", "at+jwt")
    return header["kid"], token


def _unpadded(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def rotate(house: Membership) -> Any:
    """An operator rotates the keys, a second after whatever came before."""
    house.clock.advance(1)
    return house.web.post("/signing-keys", headers=house.staff("operator"))


def holds(house: Membership, token: str) -> bool:
    """Whether the service believes the token."""
    return house.web.get("/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_the_first_key_is_announced_published_and_signs_at_once(house: Membership) -> None:
    staff_account(house, "operator")

    kid, token = signer(house)

    (event,) = house.told("membership.signing_key.published")
    assert event["data"]["kid"] == kid
    assert set(event["data"]["jwk"]) == {"kty", "crv", "x", "kid", "alg", "use"}
    assert key_set(house) == [kid]
    assert holds(house, token)


def test_a_rotation_announces_first_and_signs_later_and_retires_the_old_key_last(house: Membership) -> None:
    # given a key in use and a rotation whose announcement has left
    staff_account(house, "operator")
    old, old_token = signer(house)
    new = rotate(house).get_json()["kid"]
    house.send_outbox()

    # then both are published at once, but the new one signs only after the lead time
    assert key_set(house) == [old, new]
    house.clock.advance(299)
    assert signer(house)[0] == old
    house.clock.advance(1)
    assert signer(house)[0] == new
    assert holds(house, old_token)

    # and the old one retires once its last token has run out on every clock
    turn_signing_keys(house.assembly)
    house.clock.advance(659)
    turn_signing_keys(house.assembly)
    assert house.told("membership.signing_key.retired") == []
    house.clock.advance(1)
    turn_signing_keys(house.assembly)
    assert [event["data"]["kid"] for event in house.told("membership.signing_key.retired")] == [old]
    assert key_set(house) == [new]
    assert signer(house)[0] == new


def test_a_key_whose_announcement_the_broker_has_not_taken_does_not_sign(house: Membership) -> None:
    # given a rotation while the broker is away
    staff_account(house, "operator")
    old, _ = signer(house)
    new = rotate(house).get_json()["kid"]
    house.clock.advance(3600)
    assert signer(house)[0] == old

    # when the broker is back, the lead time begins
    house.send_outbox()
    house.clock.advance(299)
    assert signer(house)[0] == old
    house.clock.advance(1)
    assert signer(house)[0] == new


def test_a_rotation_waits_for_the_one_before(house: Membership) -> None:
    rotate(house)

    refused(rotate(house), 409, "signing_key.rotation_pending")

    assert len(key_set(house)) == 2


def test_keys_are_renewed_by_themselves_after_their_period(house: Membership) -> None:
    turn_signing_keys(house.assembly)
    assert len(key_set(house)) == 1

    house.clock.advance(90 * 86_400)
    turn_signing_keys(house.assembly)
    turn_signing_keys(house.assembly)

    assert len(key_set(house)) == 2


def test_before_the_founding_nothing_turns_and_nobody_signs_in(bare: Membership) -> None:
    turn_signing_keys(bare.assembly)

    assert key_set(bare) == []
    assert bare.told("membership.signing_key.published") == []
    refused(rotate(bare), 503, "signing_key.none")


def test_only_an_operator_rotates(house: Membership) -> None:
    for headers in (house.staff("secretariat"), house.platform()):
        refused(house.web.post("/signing-keys", headers=headers), 403, "access.forbidden")


def test_the_console_rotates_too_and_says_what_it_did(house: Membership, capsys) -> None:
    assert rotate_keys_command(house.assembly, []) == 0
    assert key_set(house)[1] in capsys.readouterr().out

    assert rotate_keys_command(house.assembly, []) == 1
    assert capsys.readouterr().out.strip()
    assert rotate_keys_command(house.assembly, ["now"]) == 2


def test_a_private_key_rests_encrypted_and_goes_when_its_key_retires(house: Membership) -> None:
    # given a key in use
    staff_account(house, "operator")
    signer(house)

    def sealed() -> list[str]:
        table = tables.signing_keys
        with house.assembly.reading() as reading:
            return [row[0] for row in reading.all(sa.select(table.c.sealed_private_key).order_by(table.c.created_at))]

    assert sealed()[0].startswith("gAAAA")
    assert "Ed25519" not in sealed()[0]

    # when it retires
    rotate(house)
    house.send_outbox()
    for seconds in (300, 660):
        house.clock.advance(seconds)
        turn_signing_keys(house.assembly)

    # then its private half is gone
    assert sealed()[0] == ""
    assert sealed()[1] != ""


def test_under_another_master_secret_nobody_signs_in_and_the_operator_is_told_why(
    make_assembly: MakeAssembly, clock: ManualClock
) -> None:
    # given a key made under one secret
    house = Membership(make_assembly("membership", master_secret="a" * 40), clock)
    house.found()
    staff_account(house, "operator")

    # when the process is started with another
    from dataclasses import replace

    other = Membership(
        replace(house.assembly, settings=replace(house.assembly.settings, master_secret="b" * 40)), clock
    )

    # then
    refused(other.sign_in("li.wei", PASSWORD), 503, "signing_key.sealed_otherwise")
    assert house.sign_in("li.wei", PASSWORD).status_code == 200
