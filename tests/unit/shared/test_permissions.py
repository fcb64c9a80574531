"""Gates: who passes, decided on plain values."""

from __future__ import annotations

import pytest

from shared.errors import Forbidden, Refusal, Unauthenticated
from shared.security.permissions import ANONYMOUS, STEP_UP_SECONDS, Caller, Gate, StepUpNeeded

SECRETARY = Caller("a", "person", roles=frozenset({"secretariat"}))
TREASURER = Caller("b", "person", roles=frozenset({"treasurer"}))
READER = Caller("c", "platform", scopes=frozenset({"roster:read"}))
WRITER = Caller("d", "platform", scopes=frozenset({"roster:write"}))
#: A forged mixture must not pass through the other kind's door.
ODD = Caller("e", "platform", roles=frozenset({"secretariat"}))

GATES = {
    "public": Gate.of(public=True),
    "public, platforms by scope": Gate.of(public=True, scopes={"roster:read"}),
    "signed in": Gate.of(signed_in=True),
    "signed in, platforms by scope": Gate.of(signed_in=True, scopes={"roster:read"}),
    "role": Gate.of(roles={"secretariat"}),
    "role or scope": Gate.of(roles={"secretariat"}, scopes={"roster:read"}),
    "scope": Gate.of(scopes={"roster:read"}),
}
WHO = {
    "nobody": ANONYMOUS,
    "secretary": SECRETARY,
    "treasurer": TREASURER,
    "reader": READER,
    "writer": WRITER,
    "odd": ODD,
}
#: Who passes which gate; everybody else is refused.
PASSES = {
    "public": {"nobody", "secretary", "treasurer", "reader", "writer", "odd"},
    "public, platforms by scope": {"nobody", "secretary", "treasurer", "reader"},
    "signed in": {"secretary", "treasurer", "reader", "writer", "odd"},
    "signed in, platforms by scope": {"secretary", "treasurer", "reader"},
    "role": {"secretary"},
    "role or scope": {"secretary", "reader"},
    "scope": {"reader"},
}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("gate", GATES)
def test_the_matrix_of_gates_and_callers(gate: str, who: str) -> None:
    refusal: Refusal | None = None
    try:
        GATES[gate].ensure_passes(WHO[who])
    except Refusal as error:
        refusal = error

    assert (refusal is None) == (who in PASSES[gate])
    if refusal is not None:
        assert isinstance(refusal, Unauthenticated if who == "nobody" else Forbidden)


def test_a_gate_must_say_who_may_pass() -> None:
    with pytest.raises(AssertionError):
        Gate.of()


@pytest.mark.parametrize(
    ("given_at", "recent"),
    [
        (1_000_000, True),
        (1_000_000 - STEP_UP_SECONDS, True),
        (1_000_000 - STEP_UP_SECONDS - 1, False),
        (0, False),
        (None, False),
    ],
)
def test_a_gate_may_demand_a_recent_password(given_at: int | None, recent: bool) -> None:  # noqa: FBT001 - a table's column
    caller = Caller("a", "person", roles=frozenset({"committee"}), authenticated_at_epoch=given_at)
    strict, lenient = Gate.of(roles={"committee"}, recent=True), Gate.of(roles={"committee"})

    lenient.ensure_recent(caller, 1_000_000)
    if recent:
        strict.ensure_recent(caller, 1_000_000)
    else:
        with pytest.raises(StepUpNeeded):
            strict.ensure_recent(caller, 1_000_000)
