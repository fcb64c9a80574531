"""How often each fault is struck, where the report goes, and the rig.

`LIANMENG_FAULTS` is the number of times (`make faults` sets it); without it, only the quick faults run, once each.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import MakeRig, Rig
from tests.faults.report import Report
from tests.servers import PostgreSQL, VirtualHost

#: How many times each fault is struck; 0: the quick ones once.
COUNT = int(os.environ.get("LIANMENG_FAULTS", "0"))
REPORT_FILE = Path(os.environ.get("LIANMENG_FAULTS_REPORT", "var/faults.md"))

_report = Report()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `make faults`, faults marked as long are left out, in so many words."""
    if COUNT:
        return
    left_out = [item for item in items if item.get_closest_marker("faults")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("faults")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table."""
    if not _report.rows():
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(_report.table())
    if COUNT:
        _report.write(REPORT_FILE, [f"Every fault {COUNT} times, on real RabbitMQ and PostgreSQL."])
        terminalreporter.write_line(f"written to {REPORT_FILE}")


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
    return _report


@pytest.fixture
def make_rig(durable_postgresql: PostgreSQL, virtual_host: VirtualHost, tmp_path: Path) -> MakeRig:
    """Makes the rig on the session's servers; keywords are the rig's own."""

    def make(**options: Any) -> Rig:
        options = {"postgresql": durable_postgresql, "broker_url": virtual_host.url, "directory": tmp_path, **options}
        return Rig(options.pop("postgresql"), **options)

    return make
