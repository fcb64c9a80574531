"""Figures of the benchmarks: what a pass is reckoned from, and that a target can be missed."""

from __future__ import annotations

import pytest

from tests.benchmarks.bus.growth import Memory
from tests.benchmarks.bus.processes import Failed, Look, Result, reckon
from tests.benchmarks.bus.report import CEILING, CELERY, CONSUMER, RELAY, TOGETHER, Report
from tests.benchmarks.quantiles import quantile

MIB = 2**20


def looks(*triples: tuple[float, int, float]) -> list[Look]:
    return [Look(*triple) for triple in triples]


def a_run(**rates: float) -> Report:
    """A run in which everything is just good enough, but for what is named."""
    just_enough = {CELERY: 500, "plain pika": 1_000, CONSUMER: 4_000, TOGETHER: 2_500, CEILING: 10_000, RELAY: 6_000}
    names = {"celery": CELERY, "consumer": CONSUMER, "together": TOGETHER, "relay": RELAY}
    changed = {names[name]: rate for name, rate in rates.items()}
    results = {name: [Result(rate, 100)] for name, rate in {**just_enough, "Celery, 2 workers": 600, **changed}.items()}
    return Report(
        "a machine",
        results=results,
        latencies={50: [99.0], 200: [9.0] * 99 + [49.0]},
        commits={16: {"on": [Result(900, 1)], "off": [Result(1_000, 1)]}},
        memories=[Memory("relay's worker", [100 * MIB, 105 * MIB])],
        histories={1_000: [(Result(1e4, 1), Result(1e4, 1))], 1_000_000: [(Result(1e4, 1), Result(1e4, 1))]},
    )


def test_the_warm_up_and_whatever_follows_the_goal_do_not_count() -> None:
    found = reckon(looks((0, 0, 0), (9, 14, 9), (10, 20, 10), (11, 60, 10.5), (12, 100, 11), (99, 100, 99)), 100)

    assert found == Result(rate=40, micros=12_500)


def test_a_pass_that_was_over_before_it_was_looked_at_gives_no_figure() -> None:
    with pytest.raises(Failed, match="too few"):
        reckon(looks((0, 0, 0), (1, 90, 1), (2, 100, 2)), 100)


def test_a_quantile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]

    assert [quantile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert quantile([7.0], 0.5) == 7


def test_a_run_in_which_all_is_good_enough_meets_its_targets() -> None:
    report = a_run()

    assert [str(target) for target in report.targets() if not target.is_met] == []
    assert len(report.targets()) == 8


@pytest.mark.parametrize(
    ("slower", "missed"),
    [
        ({"consumer": 2_999}, ["drain at least 3 x the best peer", "drain at least 8 x Celery"]),
        ({"celery": 501}, ["drain at least 8 x Celery"]),
        ({"together": 2_499}, ["relay and consumer together at least 2.5 x the best peer's drain"]),
        ({"relay": 5_999}, ["relay at least 0.6 x raw pika's batches"]),
    ],
)
def test_a_rate_just_below_its_target_is_a_miss(slower: dict[str, float], missed: list[str]) -> None:
    report = a_run(**slower)

    assert [target.text for target in report.targets() if not target.is_met] == missed
    assert not report.is_met()


def test_the_other_targets_can_be_missed_too() -> None:
    report = a_run()
    report.latencies[200] = [9.0] * 98 + [50.0, 50.0]
    report.commits[16]["on"] = [Result(899, 1)]
    report.memories[0].looks.append(94 * MIB)
    report.histories[1_000_000] = [(Result(0.8e4, 1), Result(0.8e4, 1))]
    report.failures.append("drain: a process died")

    assert [target.text.split()[0] for target in report.targets() if not target.is_met] == [
        "commits",
        "latency",
        "memory",
        "cost",
        "measured",
    ]


def test_every_line_says_what_it_is_compared_with() -> None:
    lines = {line[:32].strip(): line for line in a_run().lines()}

    assert lines[CONSUMER].endswith("4.00 x plain pika")
    assert lines[RELAY].endswith("0.60 x raw pika")
    assert lines["16 writers, wake-ups on"].endswith("0.90 x off")
