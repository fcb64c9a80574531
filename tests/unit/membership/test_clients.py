"""Scopes of platforms: what can be granted, what can be asked for."""

from __future__ import annotations

import pytest

from services.membership.domain.clients import ScopeRefused, decide_scopes, ensure_scopes_known
from shared.errors import Invalid

GRANTED = ("roster:read", "applications:write")


def test_without_a_wish_a_token_has_every_granted_scope() -> None:
    assert decide_scopes(None, GRANTED) == ("applications:write", "roster:read")


def test_a_token_can_be_asked_for_with_fewer_scopes() -> None:
    assert decide_scopes("roster:read", GRANTED) == ("roster:read",)


@pytest.mark.parametrize("wish", ["ballots:read", "roster:read ballots:read", "roster:readx", " ", ""])
def test_more_than_was_granted_is_refused(wish: str) -> None:
    with pytest.raises(ScopeRefused):
        decide_scopes(wish, GRANTED)


def test_scopes_are_granted_once_each() -> None:
    assert ensure_scopes_known(["roster:read", "roster:read"]) == ("roster:read",)


@pytest.mark.parametrize(("scopes", "code"), [([], "client.scope_missing"), (["root"], "client.scope_unknown")])
def test_none_and_unknown_scopes_are_refused_and_the_field_named(scopes: list[str], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        ensure_scopes_known(scopes)

    assert [(fault.field, fault.code) for fault in refused.value.faults] == [("scopes", code)]
