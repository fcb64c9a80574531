"""The report on faults at the end of a run, and where it goes; a plugin, because a run's end is told by one process.

`LIANMENG_FAULTS` is the number of times (`make faults` sets it); without it, only the quick faults run, once each.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.report import Report
from tests.gathered import note, noted

#: How many times each fault is struck; 0: the quick ones once.
COUNT = int(os.environ.get("LIANMENG_FAULTS", "0"))
REPORT_FILE = Path(os.environ.get("LIANMENG_FAULTS_REPORT", "var/faults.md"))
SUBJECT = "faults"

report_of_this_process = Report()


def pytest_sessionfinish() -> None:
    """Note the verdicts of this process."""
    note(SUBJECT, report_of_this_process.as_data())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, of all processes."""
    report = Report()
    for data in noted(SUBJECT):
        report.take(data)
    if not report.rows():
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(report.table())
    if COUNT:
        report.write(REPORT_FILE, [f"Every fault {COUNT} times, on real RabbitMQ and PostgreSQL."])
        terminalreporter.write_line(f"written to {REPORT_FILE}")
