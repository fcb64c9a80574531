"""The catalogue fits the tree, and its runner can tell a killed bug from one that survives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.catalogue.bugs import Bug, faults, read_bugs, read_pitfalls
from tests.catalogue.running import ROOT, Copy, Outcome, is_of, verdict

BUGS_MIN = 25
BUG = Bug(
    name="adds one too many",
    why="sums are wrong",
    file="sums.py",
    old="return a + b\n",
    new="return a + b + 1\n",
    killed_by=("tests/test_sums.py::test_one_and_one_are_two",),
)


# ------------------------------------------------------------------ the entries
def test_every_entry_fits_the_tree() -> None:
    bugs = read_bugs()

    assert len(bugs) >= BUGS_MIN
    assert faults(bugs, ROOT) == []


def test_every_pitfall_has_its_bug_or_says_why_there_is_none() -> None:
    pitfalls = read_pitfalls()
    broken = {bug.pitfall for bug in read_bugs()} - {None}

    assert [pitfall.number for pitfall in pitfalls] == list(range(1, 29))
    assert broken <= {pitfall.number for pitfall in pitfalls}
    for pitfall in pitfalls:
        assert (pitfall.number in broken) != bool(pitfall.absent), pitfall.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"old": "return nothing"}, "0 times"),
        ({"old": "def "}, "2 times"),
        ({"file": "gone.py"}, "0 times"),
        ({"new": BUG.old}, "changes nothing"),
        ({"killed_by": ()}, "names no test"),
        ({"killed_by": ("tests/test_sums.py::test_gone",)}, "there is no tests/test_sums.py::test_gone"),
    ],
)
def test_an_entry_that_no_longer_fits_is_found(small_tree: Path, change: dict[str, object], said: str) -> None:
    [fault] = faults([replace(BUG, **change)], small_tree)  # type: ignore[arg-type] # the fields of BUG

    assert said in fault


def test_an_entry_named_twice_is_found(small_tree: Path) -> None:
    assert "named twice" in faults([BUG, BUG], small_tree)[0]


# ------------------------------------------------------------------ the runner
@pytest.fixture
def small_tree(tmp_path: Path) -> Path:
    """A tree with one module and its tests."""
    root = tmp_path / "small"
    (root / "tests").mkdir(parents=True)
    (root / "sums.py").write_text("def add(a, b):\n    return a + b\n\ndef other(): ...\n")
    (root / "tests" / "test_sums.py").write_text(
        "from sums import add\n\n"
        "def test_one_and_one_are_two():\n    assert add(1, 1) == 2\n\n"
        "def test_nothing():\n    pass\n"
    )
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    return root


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"killed_by": (*BUG.killed_by, "tests/test_sums.py::test_nothing")}, "SURVIVED"),
        ({"new": "return a +\n"}, "proves nothing"),
        ({"new": "return nonsense\n"}, "proves nothing"),
    ],
    ids=["noticed by one of two", "no Python", "no name"],
)
def test_a_bug_survives_what_does_not_fail_for_it(
    small_tree: Path, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    found = Copy(tmp_path, small_tree).judge(replace(BUG, **change))  # type: ignore[arg-type] # the fields of BUG

    assert not found.killed
    assert said in found.said


def test_a_bug_is_killed_when_its_tests_fail_for_it_and_leaves_no_trace(small_tree: Path, tmp_path: Path) -> None:
    copy = Copy(tmp_path, small_tree)
    assert [each.said for each in copy.run(BUG.killed_by)] == ["passed"]

    found = copy.judge(BUG)

    assert (found.killed, found.said) == (True, "assert 3 == 2")
    assert (copy.root / BUG.file).read_text() == (small_tree / BUG.file).read_text()
    assert [each.said for each in copy.run(BUG.killed_by)] == ["passed"], "also no stale bytecode"


def test_tests_that_did_not_run_prove_nothing() -> None:
    [test] = BUG.killed_by

    assert verdict(BUG, []) == (False, "proves nothing: no test ran")
    assert verdict(BUG, [Outcome(test, "skipped")])[0] is False
    assert verdict(BUG, [Outcome(test, "collection failure")])[0] is False


def test_a_test_stands_for_all_its_parameters() -> None:
    assert is_of("a.py::test_x[sqlite]", "a.py::test_x")
    assert not is_of("a.py::test_xy", "a.py::test_x")
