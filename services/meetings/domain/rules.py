"""The threshold engine: does a tally satisfy a rule of the charter, and why.

Integers only: two thirds is the pair (2, 3), never 67 % or 0.667, because those give wrong outcomes. This module knows
no ballot, no body and no language; it explains itself in lines of code and parameters that the texts render.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

#: What the votes of yes can be measured against.
BASES = ("all_members", "entitled", "present", "cast", "yes_no")
#: What attendance can be measured against: the quorum counts who took part, so the other bases say nothing.
QUORUM_BASES = ("all_members", "entitled")
#: Settings of a rule that a charter can be silent on.
SILENT_POINTS = ("threshold", "inclusive", "base", "quorum", "minimum_yes", "voting_days")


@dataclass(frozen=True)
class Quorum:
    """How many must take part: `present × denominator ≥ (or >) base × numerator`."""

    numerator: int
    denominator: int
    inclusive: bool
    base: str


@dataclass(frozen=True)
class Rule:
    """One rule of the charter, as of one version of it."""

    name: str
    numerator: int
    denominator: int
    #: Whether exactly the fraction is enough (以上 is, 过半数 is not: Civil Code, art. 1259).
    inclusive: bool
    base: str
    quorum: Quorum | None
    minimum_yes: int
    article: str
    version: int
    #: The settings that the charter's text leaves open, of SILENT_POINTS.
    silent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tally:
    """What was counted. `entitled` is the frozen roll; `present` the units that took part."""

    all_members: int
    entitled: int
    present: int
    yes: int
    no: int
    abstain: int
    invalid: int = 0

    def __post_init__(self) -> None:
        counts = [getattr(self, field.name) for field in fields(self)]
        assert all(type(count) is int and count >= 0 for count in counts), "a tally is made of natural numbers"
        assert self.cast <= self.present <= self.entitled <= self.all_members, "each of these is part of the next"

    @property
    def cast(self) -> int:
        """Every vote cast, abstentions and invalid ones among them."""
        return self.yes + self.no + self.abstain + self.invalid


@dataclass(frozen=True)
class Line:
    """One line of an explanation: a key of the texts and what fills its placeholders."""

    code: str
    params: Mapping[str, str | int]


@dataclass(frozen=True)
class Decision:
    """The outcome of a rule on a tally. `reasons` names what failed, or what was reached."""

    passed: bool
    #: Exactly the fraction was reached, so that the outcome hangs on the word "inclusive".
    on_the_bound: bool
    reasons: tuple[str, ...]
    lines: tuple[Line, ...]


def base_of(base: str, tally: Tally) -> int:
    """The number that a base stands for in this tally."""
    assert base in BASES, base
    return tally.yes + tally.no if base == "yes_no" else int(getattr(tally, base))


def needed_yes(rule: Rule, base: int) -> int:
    """The fewest votes of yes that pass. At least 1: nothing passes without a yes, whatever the base."""
    product = base * rule.numerator
    by_fraction = -(-product // rule.denominator) if rule.inclusive else product // rule.denominator + 1
    return max(by_fraction, rule.minimum_yes, 1)


def decide(rule: Rule, tally: Tally) -> Decision:
    """Apply the rule. Fails on a base of zero, without a quorum it demands, and without a single yes."""
    base = base_of(rule.base, tally)
    left, right = tally.yes * rule.denominator, base * rule.numerator
    # On an empty base there is nothing to reach; that alone fails, below.
    reached = base == 0 or _compare(left, right, inclusive=rule.inclusive)
    enough = tally.yes >= max(rule.minimum_yes, 1)
    quorate = _is_quorate(rule.quorum, tally)
    faults = [
        reason
        for reason, holds in (
            ("base_empty", base > 0),
            ("quorum_missed", quorate),
            ("threshold_missed", reached),
            ("minimum_yes_missed", enough),
        )
        if not holds
    ]
    on_the_bound = base > 0 and left == right
    passed = not faults
    lines = (
        _counts(tally),
        Line(f"explanation.base.{rule.base}", {"base": base}),
        *_quorum_lines(rule.quorum, tally),
        *_threshold_lines(rule, base, tally.yes),
        *_minimum_lines(rule, tally.yes),
        *_bound_lines(rule, on_the_bound=on_the_bound),
        Line(
            "explanation.passed" if passed else "explanation.refused",
            {"article": rule.article, "version": rule.version},
        ),
        *(Line(f"explanation.silent.{point}", {"article": rule.article}) for point in rule.silent),
    )
    return Decision(passed, on_the_bound, tuple(faults) or ("threshold_reached",), lines)


def _compare(left: int, right: int, *, inclusive: bool) -> bool:
    return left >= right if inclusive else left > right


def _is_quorate(quorum: Quorum | None, tally: Tally) -> bool:
    if quorum is None:
        return True
    base = base_of(quorum.base, tally)
    return base > 0 and _compare(
        tally.present * quorum.denominator, base * quorum.numerator, inclusive=quorum.inclusive
    )


def _sign(left: int, right: int, *, inclusive: bool) -> str:
    """The comparison as it turned out, so that the line reads true: `≥ < > ≤`."""
    if inclusive:
        return "≥" if left >= right else "<"
    return ">" if left > right else "≤"


def _counts(tally: Tally) -> Line:
    return Line(
        "explanation.counts",
        {
            "yes": tally.yes,
            "no": tally.no,
            "abstain": tally.abstain,
            "invalid": tally.invalid,
            "not_cast": tally.entitled - tally.cast,
        },
    )


def _quorum_lines(quorum: Quorum | None, tally: Tally) -> tuple[Line, ...]:
    if quorum is None:
        return (Line("explanation.quorum.off", {}),)
    base = base_of(quorum.base, tally)
    left, right = tally.present * quorum.denominator, base * quorum.numerator
    code = "explanation.quorum.met" if _is_quorate(quorum, tally) else "explanation.quorum.missed"
    params: dict[str, str | int] = {
        "present": tally.present,
        "base": base,
        "numerator": quorum.numerator,
        "denominator": quorum.denominator,
        "left": left,
        "right": right,
        "sign": _sign(left, right, inclusive=quorum.inclusive),
    }
    return (Line(code, params),)


def _threshold_lines(rule: Rule, base: int, yes: int) -> tuple[Line, ...]:
    if base == 0:
        return (Line("explanation.base_empty", {}),)
    reading = "inclusive" if rule.inclusive else "strict"
    left, right = yes * rule.denominator, base * rule.numerator
    params: dict[str, str | int] = {
        "numerator": rule.numerator,
        "denominator": rule.denominator,
        "base": base,
        "yes": yes,
        "needed": needed_yes(rule, base),
        "left": left,
        "right": right,
        "sign": _sign(left, right, inclusive=rule.inclusive),
    }
    return Line(f"explanation.threshold.{reading}", params), Line("explanation.comparison", params)


def _minimum_lines(rule: Rule, yes: int) -> tuple[Line, ...]:
    if rule.minimum_yes <= 1 and yes > 0:
        return ()
    code = "explanation.minimum_yes.met" if yes >= max(rule.minimum_yes, 1) else "explanation.minimum_yes.missed"
    return (Line(code, {"yes": yes, "minimum": max(rule.minimum_yes, 1)}),)


def _bound_lines(rule: Rule, *, on_the_bound: bool) -> tuple[Line, ...]:
    if not on_the_bound:
        return ()
    reading = "inclusive" if rule.inclusive else "strict"
    params: dict[str, str | int] = {
        "numerator": rule.numerator,
        "denominator": rule.denominator,
        "article": rule.article,
        "version": rule.version,
    }
    return Line("explanation.on_the_bound", params), Line(f"explanation.on_the_bound.{reading}", params)


def rule_to_data(rule: Rule) -> dict[str, Any]:
    """The rule as JSON holds it; what a ballot is frozen with."""
    return {**asdict(rule), "silent": list(rule.silent)}


def rule_from_data(data: Mapping[str, Any]) -> Rule:
    """The rule that `rule_to_data` wrote."""
    quorum = Quorum(**data["quorum"]) if data["quorum"] else None
    return Rule(**{**data, "quorum": quorum, "silent": tuple(data["silent"])})
