"""The checker sees what it is there to see: a verdict that could not be bad would prove nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.deployment.process import base_environment
from tests.faults.report import Report
from tests.faults.supervision import Supervised
from tests.faults.verdict import Effect, Promised, Verdict, judge
from tests.waiting import wait_until

SAID = {1: "a", 2: "b", 3: "a"}
DONE = [Effect(1, "a", 1), Effect(2, "b", 1), Effect(3, "a", 2)]


def judged(effects: list[Effect], **changes: object) -> Verdict:
    """A verdict on three numbers that were said."""
    options: dict[str, object] = {"parked": (), "waiting": (), "recovery_seconds": 1.0, **changes}
    promised = options.pop("promised", Promised(dict(SAID)))
    return judge(promised, effects, **options)  # type: ignore[arg-type]  # a test's own table of keywords


def test_everything_once_and_in_order_is_clean() -> None:
    verdict = judged(DONE)

    verdict.assert_clean()
    assert (verdict.events, verdict.ok) == (3, 3)


@pytest.mark.parametrize(
    ("effects", "changes", "kind", "numbers"),
    [
        (DONE[:2], {}, "lost", (3,)),
        ([*DONE, DONE[1]], {}, "duplicated", (2,)),
        ([*DONE, Effect(9, "a", 3)], {}, "unexpected", (9,)),
        ([*DONE[:2], Effect(3, "b", 2)], {}, "unexpected", (3,)),
        ([DONE[2], DONE[1], DONE[0]], {}, "out_of_order", (1,)),
        (DONE[:2], {"waiting": {3}}, "stuck", (3,)),
        (DONE[:2], {"parked": {3}}, "parked", (3,)),
    ],
)
def test_each_breach_is_named(
    effects: list[Effect], changes: dict[str, object], kind: str, numbers: tuple[int, ...]
) -> None:
    verdict = judged(effects, **changes)

    assert getattr(verdict, kind) == numbers
    with pytest.raises(AssertionError):
        verdict.assert_clean()


def test_what_did_not_drain_in_time_is_not_clean() -> None:
    with pytest.raises(AssertionError, match="not drained"):
        judged(DONE, recovery_seconds=None).assert_clean()


def test_a_run_in_which_nothing_happened_is_not_clean() -> None:
    with pytest.raises(AssertionError, match="nothing happened"):
        judged([], promised=Promised()).assert_clean()


def test_what_is_parked_on_purpose_is_clean() -> None:
    judged(DONE[:2], parked={3}).assert_clean(parked={3})


def test_an_unknown_outcome_that_was_stored_is_recovered_and_one_that_was_not_is_no_loss() -> None:
    promised = Promised({1: "a", 2: "b"}, given_up={3: "a", 4: "c"}, stored_unseen={2})

    verdict = judged(DONE, promised=promised)

    verdict.assert_clean()
    assert sorted(verdict.recovered) == [2, 3]


def test_the_report_adds_up_and_names_what_never_recovered(tmp_path: Path) -> None:
    report = Report()
    report.add("a fault", judged(DONE))
    report.add("a fault", judged(DONE[:2], recovery_seconds=None), times=2)

    report.write(tmp_path / "faults.md", ["How it was run."])
    written = (tmp_path / "faults.md").read_text("utf-8")

    assert [cell.strip() for cell in report.rows()[-1]] == (
        ["all", "3", "6", "1", "0", "0", "0", "0", "0", "1.0 s", "never (1 x)"]
    )
    assert "How it was run." in written
    assert "| a fault" in written


def test_what_several_processes_report_adds_up() -> None:
    here, there, together = Report(), Report(), Report()
    here.add("a fault", judged(DONE))
    there.add("a fault", judged(DONE[:2], recovery_seconds=None), times=2)
    there.add("another", judged(DONE))

    for each in (here, there):
        together.take(each.as_data())

    assert [cell.strip() for cell in together.rows()[-1]] == (
        ["all", "4", "9", "1", "0", "0", "0", "0", "0", "1.0 s", "never (1 x)"]
    )


def test_a_process_that_dies_is_started_again_and_one_kept_down_is_not(tmp_path: Path) -> None:
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    process = Supervised("idle", waiting, base_environment(), tmp_path, piped=True)
    process.start()
    try:
        process.kill()
        wait_until(lambda: process.lives == 2, "a second life")
        with process.kept_down():
            assert process.lives == 2
        wait_until(lambda: process.lives == 3, "a third life")
        assert process.deaths == [-9, -9]
    finally:
        process.close()
