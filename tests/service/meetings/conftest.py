"""Meetings on both databases."""

from __future__ import annotations

import pytest

from shared.runtime.clock import ManualClock
from tests.fixtures.assemblies import MakeAssembly
from tests.service.meetings.driver import Meetings


@pytest.fixture
def bare(make_assembly: MakeAssembly, clock: ManualClock) -> Meetings:
    """Meetings with its tables and nothing in them."""
    return Meetings(make_assembly("meetings"), clock)


@pytest.fixture
def house(bare: Meetings) -> Meetings:
    """The charter is in force; there are no members yet."""
    bare.adopt()
    return bare
