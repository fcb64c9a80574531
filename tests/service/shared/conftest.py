"""The toy on SQLite, and on both databases where the database's behaviour is the subject."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.runtime.clock import ManualClock
from tests.builders.toy import START, Toy, toy_on


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def toy(tmp_path: Path, clock: ManualClock) -> Iterator[Toy]:
    """The toy on SQLite."""
    with toy_on(f"sqlite:///{tmp_path / 'toy.sqlite'}", tmp_path, clock=clock) as toy:
        yield toy


@pytest.fixture
def toy_on_both(empty_database_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[Toy]:
    """The toy on SQLite and on PostgreSQL."""
    with toy_on(empty_database_url, tmp_path, clock=clock) as toy:
        yield toy
