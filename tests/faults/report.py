"""What `make faults` says at its end: for each fault how often, what was lost, twice, unexpected, out of order, how soon over.

Printed as a table and written as Markdown.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tests.faults.verdict import Verdict

HEADINGS = (
    "fault",
    "times",
    "events",
    "lost",
    "twice",
    "unexpected",
    "out of order",
    "stuck",
    "recovered",
    "recovery median",
    "recovery max",
)


@dataclass
class _Line:
    """All runs of one fault."""

    times: int = 0
    events: int = 0
    lost: int = 0
    twice: int = 0
    unexpected: int = 0
    out_of_order: int = 0
    stuck: int = 0
    recovered: int = 0
    seconds: list[float] = field(default_factory=list)
    late: int = 0

    def take(self, other: _Line) -> None:
        """Count the other's runs as well."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def cells(self) -> list[str]:
        median = f"{statistics.median(self.seconds):.1f} s" if self.seconds else "-"
        longest = f"{max(self.seconds):.1f} s" if self.seconds else "-"
        if self.late:
            longest = f"never ({self.late} x)"
        counts = (
            self.times,
            self.events,
            self.lost,
            self.twice,
            self.unexpected,
            self.out_of_order,
            self.stuck,
            self.recovered,
        )
        return [*(f"{count:,}" for count in counts), median, longest]


class Report:
    """Collects verdicts by fault, in the order the faults were first met."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    def add(self, fault: str, verdict: Verdict, *, times: int = 1, timed: bool = True) -> None:
        """Count a verdict on a fault that was struck so many times; not `timed` where the time was a test's own."""
        line = self._lines.setdefault(fault, _Line())
        line.times += times
        line.events += verdict.events
        line.lost += len(verdict.lost)
        line.twice += len(verdict.duplicated)
        line.unexpected += len(verdict.unexpected)
        line.out_of_order += len(verdict.out_of_order)
        line.stuck += len(verdict.stuck)
        line.recovered += len(verdict.recovered)
        if verdict.recovery_seconds is None:
            line.late += 1
        elif timed:
            line.seconds.append(verdict.recovery_seconds)

    def as_data(self) -> dict[str, dict[str, Any]]:
        """All of it, to be handed to another process."""
        return {fault: asdict(line) for fault, line in self._lines.items()}

    def take(self, data: dict[str, dict[str, Any]]) -> None:
        """Count what another process reports as well."""
        for fault, line in data.items():
            self._lines.setdefault(fault, _Line()).take(_Line(**line))

    def rows(self) -> list[list[str]]:
        """The table's body, with the totals last."""
        rows = [[fault, *line.cells()] for fault, line in self._lines.items()]
        total = _Line()
        for line in self._lines.values():
            total.take(line)
        return [*rows, ["all", *total.cells()]] if rows else []

    def table(self) -> str:
        """For the terminal and for Markdown alike."""
        rows = [list(HEADINGS), *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
        lines = [_line(row, widths) for row in rows]
        rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        return "\n".join([lines[0], rule, *lines[1:]])

    def write(self, path: Path, heading: Iterable[str]) -> None:
        """As a Markdown page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(["# Faults", "", *heading, "", self.table(), ""]), "utf-8")


def _line(cells: list[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "| " + " | ".join(aligned) + " |"
