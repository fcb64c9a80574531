"""Meetings on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.meetings.driver import Meetings


@pytest.fixture
def bare(empty_database_url: str) -> Iterator[Meetings]:
    """Meetings with its tables and nothing in them."""
    house = Meetings(empty_database_url)
    yield house
    house.assembly.close()


@pytest.fixture
def house(bare: Meetings) -> Meetings:
    """The charter is in force; there are no members yet."""
    bare.adopt()
    return bare
