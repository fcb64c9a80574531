"""Alliances for all tests of the console: on the common one each acts on applications and ballots of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders.admissions import Admitted, admit_one
from tests.builders.console import Office, empty_office, founded_office


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with founded_office(tmp_path_factory.mktemp("alliance")) as made:
        yield made


@pytest.fixture(scope="session")
def admitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admitted]:
    """Another alliance, with one admission behind it; to look at, for its unit never votes. The unit writes markup."""
    script = "<script>alert(1)</script>"
    with founded_office(tmp_path_factory.mktemp("admitted")) as made:
        yield admit_one(
            made,
            unit_name=f"{script}醴陵检测有限公司",
            introduction=f"{script}第一行\n第二行",
            website=f'https://evil.example/">{script}',
            service_fields=[script],
            legal_representative={"name": script, "title": script},
        )


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A platform without an alliance; nobody may found one here."""
    with empty_office(tmp_path_factory.mktemp("first-day")) as made:
        yield made
