"""What a run found: lines with median, spread, cost and ratio, and the targets."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tests.benchmarks.bus.growth import Memory
from tests.benchmarks.bus.processes import ROOT, Result
from tests.benchmarks.bus.stage import Stage
from tests.benchmarks.quantiles import quantile

PAGE = ROOT / "docs" / "performance.md"
#: Between these lines the page is written by a run.
BEGIN, END = "<!-- written by `make bench ARGS=--write` -->", "<!-- end of what is written -->"
#: Tools whose versions a figure depends on.
PACKAGES = ("celery", "dramatiq", "faststream", "pika", "psycopg", "sqlalchemy", "marshmallow")

CONSUMER, RELAY, CEILING, CELERY = "our consumer", "our relay", "raw pika, batches confirmed", "Celery, 1 worker"
FEW_SUBJECTS = "our relay, few subjects"
DRAINS = (CELERY, "Celery, 2 workers", "Dramatiq, 1 x 1", "Dramatiq, 2 x 4", "FastStream", "plain pika")
TOGETHER = "our relay + 1 consumer"

DRAIN_TARGET, CELERY_TARGET, TOGETHER_TARGET, RELAY_TARGET, COMMITS_TARGET = 3.0, 8.0, 2.5, 0.6, 0.9
#: Milliseconds at 200 events/s.
P50_TARGET, P99_TARGET, TARGET_RATE = 10.0, 50.0, 200
#: Share by which memory may leave its first value after the warm-up.
MEMORY_TARGET = 0.05
#: How much more an event may cost with the longest history than with the shortest: the noise of such a measurement.
GROWTH_TARGET = 1.2


@dataclass(frozen=True)
class Target:
    """One promise, and what became of it."""

    text: str
    found: str
    is_met: bool

    def __str__(self) -> str:
        return f"{'PASS' if self.is_met else 'miss'}  {self.text}: {self.found}"


@dataclass
class Report:
    """Collects what the parts of a run find."""

    machine: str
    results: dict[str, list[Result]] = field(default_factory=dict)
    latencies: dict[int, list[float]] = field(default_factory=dict)
    commits: dict[int, dict[str, list[Result]]] = field(default_factory=dict)
    memories: list[Memory] = field(default_factory=list)
    events_of_memory: int = 0
    histories: dict[int, list[tuple[Result, Result]]] = field(default_factory=dict)
    #: Parts that could not be measured to their end.
    failures: list[str] = field(default_factory=list)

    # ------------------------------------------------------------ lines
    def lines(self) -> Iterator[str]:
        """Everything measured, for people."""
        if self.results:
            yield f"{'':32}{'events/s':>10} {'[min - max]':>21} {'µs Python':>10}  ratio"
        reference = self.best_peer()
        for name, results in self.results.items():
            yield _line(name, results, self._ratio_of(name, reference))
        for rate, values in self.latencies.items():
            p50, p99, worst = (quantile(values, share) for share in (0.5, 0.99, 1.0))
            name = f"commit to commit at {rate}/s"
            yield f"{name:32} p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   max {worst:6.1f} ms   ({len(values)} events)"
        for writers, found in self.commits.items():
            for wakes in ("off", "on"):
                name = f"{writers} writers, wake-ups {wakes}"
                ratio = f"{rate_of(found['on']) / rate_of(found['off']):.2f} x off" if wakes == "on" else ""
                yield _line(name, found[wakes], ratio)
        for each in self.memories:
            first, last = each.looks[0] / 2**20, each.looks[-1] / 2**20
            yield f"{'memory of the ' + each.name:32} {first:7.1f} MiB, then {last:.1f} (largest deviation {each.spread:.1%})"
        for size, pairs in self.histories.items():
            name = f"relay, {size:,} rows before"
            yield _line(name, [relayed for relayed, _ in pairs], "")
            yield _line(f"consumer, {size:,} rows before", [drained for _, drained in pairs], "")

    def _ratio_of(self, name: str, reference: str) -> str:
        if "enqueue" in name or name == "naive relay":
            return ""
        if name in (RELAY, FEW_SUBJECTS, CEILING):
            return f"{self.rate(name) / self.rate(CEILING):.2f} x raw pika" if CEILING in self.results else ""
        return f"{self.rate(name) / self.rate(reference):.2f} x {reference}" if reference else ""

    def rate(self, name: str) -> float:
        return rate_of(self.results[name])

    def best_peer(self) -> str:
        """The peer that drains fastest in this run; empty where none was measured."""
        return max((name for name in DRAINS if name in self.results), key=self.rate, default="")

    # ------------------------------------------------------------ targets
    def targets(self) -> list[Target]:
        """Those whose parts were measured."""
        failed = [Target("measured to its end", failure, is_met=False) for failure in self.failures]
        return [*self._drain_targets(), *self._other_targets(), *failed]

    def _drain_targets(self) -> Iterator[Target]:
        best = self.best_peer()
        if best and CONSUMER in self.results:
            yield self._at_least(f"drain at least {DRAIN_TARGET:g} x the best peer", CONSUMER, best, DRAIN_TARGET)
            text = f"drain at least {CELERY_TARGET:g} x Celery"
            yield self._at_least(text, CONSUMER, CELERY, CELERY_TARGET, beside="Celery, 2 workers")
        if best and TOGETHER in self.results:
            text = f"relay and consumer together at least {TOGETHER_TARGET:g} x the best peer's drain"
            yield self._at_least(text, TOGETHER, best, TOGETHER_TARGET)
        if RELAY in self.results and CEILING in self.results:
            text = f"relay at least {RELAY_TARGET:g} x raw pika's batches"
            yield self._at_least(text, RELAY, CEILING, RELAY_TARGET)

    def _at_least(self, text: str, ours: str, theirs: str, factor: float, *, beside: str = "") -> Target:
        ratio = self.rate(ours) / self.rate(theirs)
        found = f"{ratio:.2f} x {theirs}"
        if beside:
            found += f", {self.rate(ours) / self.rate(beside):.2f} x {beside}"
        return Target(text, found, ratio >= factor)

    def _other_targets(self) -> Iterator[Target]:
        for writers, found in self.commits.items():
            ratio = rate_of(found["on"]) / rate_of(found["off"])
            text = f"commits of {writers} writers with wake-ups at least {COMMITS_TARGET:g} x without"
            yield Target(text, f"{ratio:.2f} x", ratio >= COMMITS_TARGET)
        if values := self.latencies.get(TARGET_RATE):
            p50, p99 = quantile(values, 0.5), quantile(values, 0.99)
            text = f"latency at {TARGET_RATE}/s: p50 under {P50_TARGET:g} ms, p99 under {P99_TARGET:g} ms"
            yield Target(text, f"{p50:.1f} and {p99:.1f} ms", p50 < P50_TARGET and p99 < P99_TARGET)
        for each in self.memories:
            text = f"memory of the {each.name} flat within {MEMORY_TARGET:.0%} over {self.events_of_memory:,} events"
            yield Target(text, f"{each.spread:.1%}", each.spread <= MEMORY_TARGET)
        if self.histories:
            least, most = min(self.histories), max(self.histories)
            text = f"cost of an event with {most:,} rows at most {GROWTH_TARGET:g} x that with {least:,}"
            costs = {
                size: sum(1e6 / rate_of([p[i] for p in self.histories[size]]) for i in (0, 1)) for size in (least, most)
            }
            ratio = costs[most] / costs[least]
            yield Target(text, f"{costs[least]:.0f} and {costs[most]:.0f} µs, {ratio:.2f} x", ratio <= GROWTH_TARGET)

    def is_met(self) -> bool:
        return all(target.is_met for target in self.targets())

    # ------------------------------------------------------------ the page
    def write(self) -> None:
        """Put lines and targets into docs/performance.md, in place of the last ones."""
        text = PAGE.read_text("utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        lines = [self.machine, "", "```", *self.lines(), "```", "", "```", *map(str, self.targets()), "```"]
        PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}", "utf-8")


def rate_of(results: Sequence[Result]) -> float:
    """The median."""
    return median(result.rate for result in results)


def _line(name: str, results: Sequence[Result], ratio: str) -> str:
    rates = [result.rate for result in results]
    spread = f"[{min(rates):,.0f} - {max(rates):,.0f}]"
    micros = median(result.micros for result in results)
    return f"{name:32}{median(rates):>10,.0f} {spread:>21} {micros:>10,.0f}  {ratio}".rstrip()


def machine_of(stage: Stage) -> str:
    """What the figures depend on."""
    [(postgresql,)] = stage.postgresql.query("SHOW server_version")
    broker = stage.broker.api("GET", "overview")
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}. {_processor()}, {os.cpu_count()} "
        f"cores; Linux {platform.release()}; Python {platform.python_version()}. PostgreSQL {postgresql.split()[0]}, "
        f"RabbitMQ {broker['rabbitmq_version']}, one node, both on the same cores. {packages}."
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
