"""What a unit of work adds: there for the next statement, and gone with the unit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.builders.kernel import Kernel, effects, kernel_on


@pytest.fixture
def kernel(empty_database_url: str) -> Iterator[Kernel]:
    with kernel_on(empty_database_url) as made:
        yield made


def test_rows_added_are_there_for_the_next_statement_and_gone_with_the_unit(kernel: Kernel) -> None:
    def add_and_fail() -> None:
        with kernel.units.begin() as work:
            for n in range(3):
                work.add(effects, {"word": f"w{n}", "subject": "s-1"})
            seen.append(work.scalar(sa.select(sa.func.count()).select_from(effects)))
            raise ZeroDivisionError

    seen: list[int] = []
    with pytest.raises(ZeroDivisionError):
        add_and_fail()
    assert seen == [3]
    assert kernel.words() == []

    with kernel.units.begin() as work:
        for n in range(3):
            work.add(effects, {"word": f"w{n}", "subject": "s-1"})
    assert kernel.words() == ["w0", "w1", "w2"]
