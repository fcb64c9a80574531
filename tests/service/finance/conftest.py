"""Finance on both databases."""

from __future__ import annotations

import pytest

from tests.fixtures.assemblies import MakeAssembly
from tests.service.finance.driver import Finance


@pytest.fixture
def bare(make_assembly: MakeAssembly) -> Finance:
    """Finance with its tables and nothing in them."""
    return Finance(make_assembly("finance"))


@pytest.fixture
def house(bare: Finance) -> Finance:
    """The charter is in force and one unit is a member."""
    bare.adopt()
    bare.admit("m-1")
    return bare
