"""How often each fault is struck, and the rig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import MakeRig, Rig
from tests.faults.report import Report
from tests.faults.telling import COUNT, report_of_this_process
from tests.servers import PostgreSQL, VirtualHost


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `make faults`, faults marked as long are left out, in so many words."""
    if COUNT:
        return
    left_out = [item for item in items if item.get_closest_marker("faults")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("faults")]


@pytest.fixture
def rounds() -> range:
    """One for each time the fault is to be struck."""
    return range(max(COUNT, 1))


@pytest.fixture
def thorough() -> bool:
    """Whether this is `make faults`, with time for large numbers and real waits."""
    return COUNT > 0


@pytest.fixture(scope="session")
def report() -> Report:
    """Where verdicts are noted."""
    return report_of_this_process


@pytest.fixture
def make_rig(durable_postgresql: PostgreSQL, virtual_host: VirtualHost, tmp_path: Path) -> MakeRig:
    """Makes the rig on the session's servers; keywords are the rig's own."""

    def make(**options: Any) -> Rig:
        options = {"postgresql": durable_postgresql, "broker_url": virtual_host.url, "directory": tmp_path, **options}
        return Rig(options.pop("postgresql"), **options)

    return make
