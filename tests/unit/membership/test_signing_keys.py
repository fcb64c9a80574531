"""When a key signs: never before everybody can know it, and never after its successor does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.membership.domain import signing_keys as rules
from services.membership.domain.signing_keys import Key
from shared.errors import Conflict, Unavailable

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def key(kid: str, born: timedelta = timedelta(0), **changes: Any) -> Key:
    """A key made `born` after T0 and announced at once, unless told otherwise."""
    told = {
        "created_at": T0 + born,
        "signs_from": T0 + born + rules.LEAD_TIME,
        "announced_at": T0 + born,
        **changes,
    }
    return Key(kid=kid, **told)


OLD = key("old", -30 * MINUTE)


def test_the_very_first_key_signs_before_its_announcement_has_left() -> None:
    first = key("first", signs_from=T0, announced_at=None)

    assert rules.choose_signing_key([first], T0) is first


def test_without_any_key_signing_has_to_wait() -> None:
    with pytest.raises(Unavailable):
        rules.choose_signing_key([], T0)


@pytest.mark.parametrize(("after", "signer"), [(4, "old"), (5, "new"), (60, "new")])
def test_a_new_key_signs_after_its_lead_time(after: int, signer: str) -> None:
    assert rules.choose_signing_key([OLD, key("new")], T0 + after * MINUTE).kid == signer


def test_a_key_whose_announcement_is_held_back_does_not_sign() -> None:
    held = key("new", announced_at=None)

    assert rules.choose_signing_key([OLD, held], T0 + 60 * MINUTE).kid == "old"


@pytest.mark.parametrize(("after", "signer"), [(34, "old"), (35, "new")])
def test_the_lead_time_counts_from_when_the_announcement_left(after: int, signer: str) -> None:
    late = key("new", announced_at=T0 + 30 * MINUTE)

    assert rules.choose_signing_key([OLD, late], T0 + after * MINUTE).kid == signer


def test_a_second_rotation_waits_for_the_first() -> None:
    with pytest.raises(Conflict) as refused:
        rules.ensure_rotation_possible([OLD, key("new")], T0 + MINUTE)
    assert refused.value.code == "signing_key.rotation_pending"

    rules.ensure_rotation_possible([OLD, key("new")], T0 + 5 * MINUTE)


def test_the_old_key_is_superseded_only_once_the_new_one_signs() -> None:
    keys = [OLD, key("new")]

    assert rules.find_superseded(keys, T0 + 4 * MINUTE) == ()
    assert rules.find_superseded(keys, T0 + 5 * MINUTE) == (OLD,)
    assert rules.find_superseded([], T0) == ()


@pytest.mark.parametrize(("seconds", "retired"), [(659, False), (660, True)])
def test_a_superseded_key_retires_when_its_last_token_has_run_out_on_every_clock(seconds: int, retired) -> None:
    old = key("old", superseded_at=T0)

    assert bool(rules.find_retirable([old], T0 + timedelta(seconds=seconds))) is retired


def test_a_key_in_use_never_retires() -> None:
    assert rules.find_retirable([OLD], T0 + timedelta(days=1000)) == ()


def test_a_key_is_renewed_after_its_period() -> None:
    renewed = OLD.signs_from + rules.SIGNING_PERIOD

    assert not rules.is_rotation_due([OLD], renewed - MINUTE)
    assert rules.is_rotation_due([OLD], renewed)
    assert not rules.is_rotation_due([], renewed)
