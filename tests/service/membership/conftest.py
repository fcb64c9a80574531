"""Membership on both databases."""

from __future__ import annotations

import pytest

from shared.runtime.clock import ManualClock
from tests.fixtures.assemblies import MakeAssembly
from tests.service.membership.driver import Membership
from tests.service.membership.people import open_staff_account


@pytest.fixture
def bare(make_assembly: MakeAssembly, clock: ManualClock) -> Membership:
    """Membership with its tables and nothing in them."""
    return Membership(make_assembly("membership"), clock)


@pytest.fixture
def house(bare: Membership) -> Membership:
    """The alliance is founded and the charter has arrived; there are no members yet."""
    bare.found()
    bare.adopt_charter()
    return bare


@pytest.fixture
def person(house: Membership) -> str:
    """The id of a secretary's account."""
    return open_staff_account(house, "secretariat")
