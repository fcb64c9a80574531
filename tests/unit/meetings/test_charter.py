"""Reading a charter: the shipped one holds, and every way to spoil it is named by its path."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.meetings.domain.charter import parse_charter
from shared.errors import Fault, Invalid

SHIPPED = tomllib.loads((Path(__file__).parents[3] / "deploy" / "charter" / "zhuzhou.toml").read_text("utf-8"))
#: A quorum that does not say of whom.
NO_BASE = {"numerator": 1, "denominator": 2, "inclusive": True}


def spoilt(spoil: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The shipped charter after something was done to it."""
    content = copy.deepcopy(SHIPPED)
    spoil(content)
    return content


def faults_of(content: Any) -> dict[str, str]:
    """Code of each fault by its path."""
    with pytest.raises(Invalid) as refused:
        parse_charter(content, 1)
    return {fault.field: fault.code for fault in refused.value.faults}


def test_the_shipped_charter_says_what_the_text_says() -> None:
    charter = parse_charter(SHIPPED, 1)

    vote, review, end = (charter.rules[name] for name in ("admission_vote", "admission_review", "dissolution"))
    assert (vote.rule.numerator, vote.rule.denominator, vote.rule.inclusive) == (1, 2, True)
    assert (vote.body, vote.rule.article) == ("general_meeting", "6(3)")
    assert (review.body, review.rule.inclusive) == ("executive_committee", False)
    assert (end.rule.numerator, end.rule.denominator, end.rule.base) == (2, 3, "all_members")
    assert all(each.rule.quorum is None for each in charter.rules.values())
    assert [each["count"] for each in SHIPPED["seats"]] == [1, 2, 4]
    assert SHIPPED["committee"]["term_years"] == 4
    assert len(charter.member_kinds) == len(charter.purposes) == len(charter.funding_sources) == 6


def test_what_the_text_leaves_open_is_marked_and_what_it_settles_is_not() -> None:
    silent = parse_charter(SHIPPED, 1).silent

    assert {"rules.admission_vote.base", "rules.admission_review.threshold", "elections.committee.ties"} <= set(silent)
    assert not {"rules.dissolution.base", "rules.dissolution.threshold", "rules.admission_vote.threshold"} & set(silent)
    assert all(f"rules.{name}.quorum" in silent for name in SHIPPED["rules"])


def test_a_quorum_can_be_switched_on() -> None:
    quorum = {"numerator": 2, "denominator": 3, "inclusive": True, "base": "entitled"}
    charter = parse_charter(spoilt(lambda c: c["rules"]["admission_vote"].update(quorum=quorum)), 2)

    switched_on = charter.rules["admission_vote"].rule.quorum
    assert switched_on is not None
    assert (switched_on.numerator, switched_on.base) == (2, "entitled")
    assert charter.rules["admission_vote"].rule.version == 2


@pytest.mark.parametrize(
    ("spoil", "path", "code"),
    [
        (lambda c: c.pop("alliance"), "alliance", "missing"),
        (lambda c: c.update(alliance=3), "alliance", "wrong_type"),
        (lambda c: c["alliance"]["name"].pop("en"), "alliance.name.en", "missing"),
        (lambda c: c["alliance"]["name"].update(fr="x"), "alliance.name.fr", "unknown_key"),
        (lambda c: c["alliance"]["name"].update(en=" "), "alliance.name.en", "malformed_text"),
        (lambda c: c["alliance"]["name"].update(en="a\x00b"), "alliance.name.en", "malformed_text"),
        (lambda c: c["alliance"].update(number_prefix="株"), "alliance.number_prefix", "malformed_code"),
        (lambda c: c.update(extra=1), "extra", "unknown_key"),
        (lambda c: c["counties"].clear(), "counties", "missing"),
        (lambda c: c["counties"][1].update(code="tianyuan"), "counties[1].code", "duplicate"),
        (lambda c: c["counties"].append("x"), "counties[12]", "wrong_type"),
        (lambda c: c["member_kinds"][0].update(code="Service"), "member_kinds[0].code", "malformed_code"),
        (lambda c: c["member_kinds"][0].update(founding=1), "member_kinds[0].founding", "wrong_type"),
        (lambda c: c["purposes"][0].update(article="five"), "purposes[0].article", "malformed_article"),
        (lambda c: c["seats"][0].update(count=0), "seats[0].count", "out_of_range"),
        (lambda c: c["seats"][1].update(office="director"), "seats[1].office", "duplicate"),
        (lambda c: c["seats"][0].update(office="king"), "seats[0].office", "unknown_value"),
        (lambda c: c["committee"].update(term_years="4"), "committee.term_years", "wrong_type"),
        (lambda c: c["rules"].pop("admission_vote"), "rules.admission_vote", "missing"),
        (lambda c: c["rules"]["dissolution"].update(numerator=4), "rules.dissolution.numerator", "never_passes"),
        (lambda c: c["rules"]["dissolution"].update(denominator=0), "rules.dissolution.denominator", "out_of_range"),
        (lambda c: c["rules"]["dissolution"].update(numerator=0.67), "rules.dissolution.numerator", "wrong_type"),
        (lambda c: c["rules"]["dissolution"].update(numerator=True), "rules.dissolution.numerator", "wrong_type"),
        (lambda c: c["rules"]["dissolution"].update(base="some"), "rules.dissolution.base", "unknown_value"),
        (lambda c: c["rules"]["dissolution"].update(quorum="on"), "rules.dissolution.quorum", "wrong_type"),
        (lambda c: c["rules"]["dissolution"].update(quorum=NO_BASE), "rules.dissolution.quorum.base", "missing"),
        (lambda c: c["rules"]["dissolution"].update(voting_days=0), "rules.dissolution.voting_days", "out_of_range"),
        (lambda c: c["rules"]["dissolution"].update(silent=["all"]), "rules.dissolution.silent[0]", "unknown_value"),
        (lambda c: c["rules"]["dissolution"].update(silent=[]), "rules.dissolution.silent", "wrong_type"),
        (lambda c: c["rules"]["dissolution"].update(silent=True), "rules.dissolution.silent", "wrong_type"),
        (
            lambda c: c["rules"]["admission_vote"].update(body="executive_committee"),
            "rules.admission_vote.body",
            "unknown_value",
        ),
        (lambda c: c["voting"].update(weight=2), "voting.weight", "out_of_range"),
        (lambda c: c["voting"].update(secrecy="on"), "voting.secrecy", "unknown_value"),
        (lambda c: c["presets"]["more_yes_than_no"].pop("base"), "presets.more_yes_than_no.base", "missing"),
    ],
)
def test_each_fault_is_named_by_its_path(spoil: Callable[[dict[str, Any]], object], path: str, code: str) -> None:
    assert faults_of(spoilt(spoil)) == {path: f"charter.{code}"}


def test_all_faults_are_named_at_once() -> None:
    def spoil(content: dict[str, Any]) -> None:
        content["alliance"]["code"] = 7
        content["rules"]["dissolution"]["base"] = "some"
        del content["secretariat"]

    assert set(faults_of(spoilt(spoil))) == {"alliance.code", "rules.dissolution.base", "secretariat"}


def test_a_missing_table_is_one_fault() -> None:
    assert set(faults_of({})) == set(SHIPPED) - {"presets"}


def found_in(content: Any) -> tuple[Fault, ...] | None:
    """The faults of a refused charter; None for one that was read."""
    try:
        parse_charter(content, 1)
    except Invalid as refused:
        return refused.faults
    return None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def one_place_replaced(draw: st.DrawFn) -> dict[str, Any]:
    """The shipped charter with anything at all in one place."""
    content: Any = copy.deepcopy(SHIPPED)
    here = content
    while True:
        key = draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        inner = here[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            here[key] = draw(anything)
            return content
        here = inner


@settings(max_examples=300)
@given(one_place_replaced())
def test_whatever_stands_in_it_a_charter_is_read_or_refused(content: dict[str, Any]) -> None:
    faults = found_in(content)

    assert all(fault.field and fault.code.startswith("charter.") for fault in faults or ())
    assert faults is None or faults
