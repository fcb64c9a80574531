"""One alliance for all tests of the console: each acts on applications and ballots of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders.console import Office, founded_office


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with founded_office(tmp_path_factory.mktemp("alliance")) as made:
        yield made
