"""The threshold engine against the golden table, against fractions, and in its own words."""

from __future__ import annotations

import string
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.meetings.domain.rules import (
    BASES,
    QUORUM_BASES,
    SILENT_POINTS,
    Quorum,
    Rule,
    Tally,
    decide,
    needed_yes,
    rule_from_data,
    rule_to_data,
)
from shared.runtime.texts import LANGUAGES, Texts

TEXTS_FOLDER = Path(__file__).parents[3] / "services" / "meetings" / "texts"
TEXTS = Texts.load([TEXTS_FOLDER])

#: Votes of yes needed of a base: ≥1/2, >1/2, ≥2/3, >2/3.
GOLDEN = """
 1   1  1   1   1
 2   1  2   2   2
 3   2  2   2   3
 4   2  3   3   3
 6   3  4   4   5
 7   4  4   5   5
 8   4  5   6   6
 9   5  5   6   7
12   6  7   8   9
15   8  8  10  11
"""
COLUMNS = ((1, 2, True), (1, 2, False), (2, 3, True), (2, 3, False))


def rule(
    numerator: int = 1, denominator: int = 2, *, inclusive: bool = True, base: str = "entitled", **changes
) -> Rule:
    """The rule of art. 6(3), unless told otherwise."""
    settings = {"name": "admission_vote", "quorum": None, "minimum_yes": 1, "article": "6(3)", "version": 1, **changes}
    return Rule(numerator=numerator, denominator=denominator, inclusive=inclusive, base=base, **settings)


def tally(yes: int, no: int = 0, abstain: int = 0, *, entitled: int | None = None, members: int | None = None) -> Tally:
    """An online ballot: who votes takes part, and no vote is invalid."""
    cast = yes + no + abstain
    entitled = cast if entitled is None else entitled
    return Tally(entitled if members is None else members, entitled, cast, yes, no, abstain)


def codes(decision) -> list[str]:
    """The explanation's codes, in order."""
    return [line.code for line in decision.lines]


def golden_cases() -> list[tuple[int, int, tuple[int, int, bool]]]:
    """Base, needed yes, fraction."""
    rows = [[int(cell) for cell in line.split()] for line in GOLDEN.strip().splitlines()]
    return [(base, needed, column) for base, *cells in rows for needed, column in zip(cells, COLUMNS, strict=True)]


@pytest.mark.parametrize(("base", "needed", "fraction"), golden_cases())
def test_the_golden_table(base: int, needed: int, fraction: tuple[int, int, bool]) -> None:
    numerator, denominator, inclusive = fraction
    tested = rule(numerator, denominator, inclusive=inclusive)

    assert needed_yes(tested, base) == needed
    assert decide(tested, tally(needed, base - needed)).passed
    assert not decide(tested, tally(needed - 1, base - needed + 1)).passed


@st.composite
def cases(draw: st.DrawFn) -> tuple[Rule, Tally]:
    """Any rule that a charter may hold, with any tally."""
    denominator = draw(st.integers(1, 12))
    inclusive = draw(st.booleans()) or denominator == 1
    numerator = draw(st.integers(1, denominator if inclusive else denominator - 1))
    quorum = draw(
        st.none()
        | st.builds(Quorum, st.integers(1, 4), st.just(4), st.just(True), st.sampled_from(QUORUM_BASES))
        | st.builds(Quorum, st.integers(1, 3), st.just(4), st.just(False), st.sampled_from(QUORUM_BASES))
    )
    yes, no, abstain, invalid, idle, absent, others = (draw(st.integers(0, 12)) for _ in range(7))
    present = yes + no + abstain + invalid + idle
    counted = Tally(present + absent + others, present + absent, present, yes, no, abstain, invalid)
    return (
        rule(
            numerator,
            denominator,
            inclusive=inclusive,
            base=draw(st.sampled_from(BASES)),
            quorum=quorum,
            minimum_yes=draw(st.integers(1, 6)),
            silent=tuple(draw(st.sets(st.sampled_from(SILENT_POINTS)))),
        ),
        counted,
    )


def share_of(part: int, whole: int) -> Fraction:
    """The independent model's arithmetic: rational numbers, which the engine never uses."""
    return Fraction(part, whole) if whole else Fraction(-1)


def reaches(share: Fraction, bound: Fraction, *, inclusive: bool) -> bool:
    """Whether a share satisfies a bound."""
    return share > bound or (inclusive and share == bound)


@given(cases())
def test_the_engine_agrees_with_rational_numbers(case: tuple[Rule, Tally]) -> None:
    tested, counted = case
    whole = {
        "all_members": counted.all_members,
        "entitled": counted.entitled,
        "present": counted.present,
        "cast": counted.yes + counted.no + counted.abstain + counted.invalid,
        "yes_no": counted.yes + counted.no,
    }
    share, bound = share_of(counted.yes, whole[tested.base]), Fraction(tested.numerator, tested.denominator)
    quorate = tested.quorum is None or reaches(
        share_of(counted.present, whole[tested.quorum.base]),
        Fraction(tested.quorum.numerator, tested.quorum.denominator),
        inclusive=tested.quorum.inclusive,
    )
    expected = reaches(share, bound, inclusive=tested.inclusive) and quorate and counted.yes >= tested.minimum_yes

    decision = decide(tested, counted)

    assert decision.passed == expected
    assert decision.on_the_bound == (share == bound)
    assert ("explanation.on_the_bound" in codes(decision)) == decision.on_the_bound
    assert ("explanation.passed" in codes(decision)) == expected


@given(cases())
def test_needed_yes_is_the_smallest_that_passes(case: tuple[Rule, Tally]) -> None:
    tested, counted = case
    base = counted.entitled
    over_roll = rule_from_data({**rule_to_data(tested), "base": "entitled", "quorum": None})
    needed = needed_yes(over_roll, base)

    if needed <= base:
        assert decide(over_roll, tally(needed, entitled=base)).passed
    if 0 < needed <= base + 1:
        assert not decide(over_roll, tally(min(needed - 1, base), entitled=base)).passed


@given(cases())
def test_every_line_has_words_in_both_languages_and_its_comparisons_are_true(case: tuple[Rule, Tally]) -> None:
    for line in decide(*case).lines:
        assert TEXTS.has(line.code), line.code
        for language in LANGUAGES:
            said = TEXTS.render(line.code, language, **line.params)
            assert "{" not in said, said
        if "sign" in line.params:
            left, right = int(line.params["left"]), int(line.params["right"])
            holds = {"≥": left >= right, ">": left > right, "<": left < right, "≤": left <= right}
            assert holds[str(line.params["sign"])], said


@given(cases())
def test_a_rule_survives_storing(case: tuple[Rule, Tally]) -> None:
    assert rule_from_data(rule_to_data(case[0])) == case[0]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("counted", [tally(0), tally(0, entitled=5), tally(0, 0, 5), tally(0, 5)])
def test_nothing_passes_without_a_yes(base: str, counted: Tally) -> None:
    assert not decide(rule(1, 12, base=base), counted).passed


def test_abstentions_alone_leave_no_base_of_yes_and_no() -> None:
    decision = decide(rule(base="yes_no"), tally(0, 0, 7))

    assert decision.reasons == ("base_empty", "minimum_yes_missed")
    assert not decision.on_the_bound
    assert "explanation.base_empty" in codes(decision)


def test_exactly_half_shows_both_readings_and_what_decided() -> None:
    inclusive, strict = (decide(rule(inclusive=each, version=3), tally(4, 4)) for each in (True, False))

    assert (inclusive.passed, inclusive.on_the_bound) == (True, True)
    assert (strict.passed, strict.on_the_bound, strict.reasons) == (False, True, ("threshold_missed",))
    for decision, deciding in ((inclusive, "inclusive"), (strict, "strict")):
        assert f"explanation.on_the_bound.{deciding}" in codes(decision)
        line = next(each for each in decision.lines if each.code == f"explanation.on_the_bound.{deciding}")
        assert (line.params["version"], line.params["article"]) == (3, "6(3)")


def test_the_comparison_is_written_out() -> None:
    decision = decide(rule(), tally(8, 7))

    said = [TEXTS.render(line.code, "en", **line.params) for line in decision.lines]
    assert "Compared in whole numbers: 8×2=16 ≥ 15×1=15." in said
    assert not decision.on_the_bound


def test_two_thirds_of_nine_is_six() -> None:
    assert decide(rule(2, 3), tally(6, 3)).passed
    assert decide(rule(2, 3), tally(6, 3)).on_the_bound


@pytest.mark.parametrize(
    ("base", "passes"),
    [("all_members", False), ("entitled", False), ("present", True), ("cast", True), ("yes_no", True)],
)
def test_the_base_decides(base: str, *, passes: bool) -> None:
    # 3 yes, 1 no, 1 abstention; 10 on the roll; 12 members; more than half wanted
    counted = tally(3, 1, 1, entitled=10, members=12)

    assert decide(rule(inclusive=False, base=base), counted).passed is passes


def test_a_missed_quorum_fails_whatever_the_votes() -> None:
    quorum = Quorum(2, 3, True, "entitled")
    missed = decide(rule(base="cast", quorum=quorum), tally(5, entitled=9))
    met = decide(rule(base="cast", quorum=quorum), tally(6, entitled=9))

    assert (missed.passed, missed.reasons) == (False, ("quorum_missed",))
    assert met.passed
    assert "explanation.quorum.met" in codes(met)


def test_a_least_number_of_yes_is_demanded_beside_the_fraction() -> None:
    decision = decide(rule(base="cast", minimum_yes=3), tally(2, entitled=9))

    assert (decision.passed, decision.reasons) == (False, ("minimum_yes_missed",))
    assert needed_yes(rule(minimum_yes=3), 2) == 3


def test_every_open_setting_is_named() -> None:
    decision = decide(rule(silent=SILENT_POINTS), tally(1))

    assert {f"explanation.silent.{point}" for point in SILENT_POINTS} <= set(codes(decision))


@pytest.mark.parametrize(
    "counts", [(1, 1, 1, 2, 0, 0), (1, 2, 1, 1, 0, 0), (2, 2, 1, 1, 1, 0), (1, 1, 1, -1, 0, 0), (1, 1, 1, True, 0, 0)]
)
def test_an_impossible_tally_is_a_bug(counts: tuple[int, ...]) -> None:
    with pytest.raises(AssertionError):
        Tally(*counts)


def test_no_text_of_the_explanation_is_left_over() -> None:
    made = {"explanation.struck"} | {f"explanation.base.{base}" for base in BASES}
    made |= {f"explanation.silent.{point}" for point in SILENT_POINTS}
    for tested in (rule(), rule(inclusive=False), rule(quorum=Quorum(1, 1, True, "entitled"), minimum_yes=2)):
        for counted in (tally(0), tally(1, 1), tally(2, entitled=9), tally(3)):
            made |= set(codes(decide(tested, counted)))

    texts = tomllib.loads((TEXTS_FOLDER / "en.toml").read_text("utf-8"))
    assert {code for code in texts if code.startswith("explanation.")} == made
    assert all(list(string.Formatter().parse(text)) for text in texts.values())
