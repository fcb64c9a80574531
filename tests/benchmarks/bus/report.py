"""What a run found, as lines and as targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from tests.benchmarks.bus.processes import Result
from tests.benchmarks.bus.stage import Stage


class Report:
    """Collects figures; prints them."""

    def __init__(self) -> None:
        self.results: dict[str, list[Result]] = {}

    def machine(self, stage: Stage) -> None:
        pass

    def add(self, found: Mapping[str, Sequence[Result]]) -> None:
        for name, results in found.items():
            self.results.setdefault(name, []).extend(results)

    def show(self, seconds: float) -> None:
        for name, results in self.results.items():
            rates = [r.rate for r in results]
            print(
                f"{name:32} {median(rates):8,.0f} [{min(rates):8,.0f} - {max(rates):8,.0f}] {median(r.micros for r in results):7,.0f} us"
            )
        print(seconds)

    def is_met(self) -> bool:
        return True
