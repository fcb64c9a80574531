"""Reading a founding file: each kind of fault is named with its line, and a file with a fault founds nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from services.membership.domain.founding import FoundingRules
from services.membership.schemas.founding import FoundingFile, FoundingRefused, read_founding
from services.membership.schemas.founding_charter import CharterUnreadable, read_charter_rules
from tests.builders.founding import founding_yaml, line_of

ROOT = Path(__file__).parents[3]
CHARTER = read_charter_rules((ROOT / "deploy/charter/zhuzhou.toml").read_bytes())
SILENT = FoundingRules()


def read(text: str | bytes, rules: FoundingRules = CHARTER) -> FoundingFile:
    return read_founding(text.encode() if isinstance(text, str) else text, rules)


def faults(text: str | bytes, rules: FoundingRules = CHARTER) -> list[tuple[int, str, str]]:
    with pytest.raises(FoundingRefused) as refused:
        read(text, rules)
    return [(each.line, each.fault.field, each.fault.code.removeprefix("founding.")) for each in refused.value.faults]


def test_the_demo_file_founds_24_units_without_a_warning() -> None:
    file = read((ROOT / "deploy/demo/founding.yaml").read_bytes())

    assert file.warnings == ()
    assert [unit.number for unit in file.founding.units] == list(range(1, 25))
    assert len({unit.credit_code for unit in file.founding.units}) == 24


def test_the_demo_file_has_the_service_centre_of_every_division_of_the_charter() -> None:
    charter = tomllib.loads((ROOT / "deploy/charter/zhuzhou.toml").read_text("utf-8"))
    units = read((ROOT / "deploy/demo/founding.yaml").read_bytes()).founding.units

    for county in charter["counties"]:
        here = [unit.name for unit in units if unit.county == county["code"] and unit.kind == "service_center"]
        assert len(here) == 1, county["code"]
        if county["code"] != "municipal":
            assert here == [county["name"]["zh-CN"] + "中小企业服务中心"]


# What replaces the line that contains the first text → the fault, and on which line after that one's start.
ONE_FAULT = [
    ("format: 1", "format: 2", (0, "format", "unknown_format")),
    ("name: 株洲市企业服务联盟", "  name: 长沙市企业服务联盟", (0, "alliance.name", "not_the_charters")),
    ("name: 株洲市企业服务联盟", "  name: ''", (0, "alliance.name", "missing")),
    ("name: 株洲市企业服务联盟", "  name:", (0, "alliance.name", "missing")),
    ("name: 株洲市企业服务联盟", "  name: [一, 二]", (0, "alliance.name", "not_text")),
    ("name: 株洲市企业服务联盟", "  name: {zh: 一}", (0, "alliance.name", "not_text")),
    ("name: 株洲市企业服务联盟", f"  name: {'长' * 101}", (0, "alliance.name", "text_too_long")),
    ("name: 株洲市企业服务联盟", '  name: "株洲\\e[31m"', (0, "alliance.name", "control_character")),
    ("name: 株洲市企业服务联盟", '  name: "株洲\\uD800"', (0, "alliance.name", "control_character")),
    ("number_prefix: ZZ", "  number_prefix: zz", (0, "alliance.number_prefix", "bad_prefix")),
    ("number_prefix: ZZ", "  number_prefix: CS", (0, "alliance.number_prefix", "not_the_charters")),
    ("founded_on", "  founded_on: 2026年1月8日", (0, "alliance.founded_on", "not_a_day")),
    ("founded_on", "  founded_on: 2026-02-30", (0, "alliance.founded_on", "no_such_day")),
    ("founded_on", "  founded_on: 9999-01-08", (0, "alliance.founded_on", "no_such_day")),
    ("founded_on", "  founded_on: 2026-01-09", (4, "committee.term_from", "term_too_early")),
    ("sme_centre: 1", "  sme_centre: 99", (0, "alliance.sme_centre", "unknown_unit")),
    ("sme_centre: 1", "  sme_centre: 第一", (0, "alliance.sme_centre", "not_a_number")),
    ("sme_centre: 1", "  sme_centre: 0", (0, "alliance.sme_centre", "not_a_number")),
    ("sme_centre: 1", "  sme_centre: -1", (0, "alliance.sme_centre", "not_a_number")),
    ("sme_centre: 1", "  sme_centre: １", (0, "alliance.sme_centre", "not_a_number")),
    ("term_from", "  term_from: 2026-01-08\n  term_from: 2026-01-08", (1, "committee.term_from", "duplicate_key")),
    ("term_to", "  term_to: 2030-01-07", (0, "committee.term_to", "term_length")),
    ("term_to", "  term_to: 2031-01-08", (0, "committee.term_to", "term_length")),
    ("    unit: 1", "    unit: 99", (0, "committee.director.unit", "unknown_unit")),
    ("    unit: 1", "    unit: 2", (3, "committee.vice_directors[1].unit", "second_seat")),
    ("    put_forward_by: 1", "    put_forward_by: 2", (0, "committee.director.put_forward_by", "director_nomination")),
    ("    put_forward_by: 1", "    put_forward_by:", (0, "committee.director.put_forward_by", "missing")),
    (
        "      put_forward_by: 2",
        "      put_forward_by: 1",
        (0, "committee.vice_directors[1].put_forward_by", "vice_director_nomination"),
    ),
    ("    - unit: 7", "", (-4, "committee.members", "seats")),
    ("    - unit: 7", "    - unit: 7\n    - unit: 8", (-4, "committee.members", "seats")),
    ("    - unit: 7", "    - unit: 99", (0, "committee.members[4].unit", "unknown_unit")),
    ("    - unit: 7", "    - unit: 3", (0, "committee.members[4].unit", "second_seat")),
    ("    - unit: 7", "    - 7", (0, "committee.members[4]", "not_a_mapping")),
    ("username: clerk", "    - {name: 何, title: 员, username: clerk, roles: [boss]}", (0, "*.roles", "unknown_role")),
    ("username: clerk", "    - {name: 何, title: 员, username: clerk, roles: clerk}", (0, "*.roles", "not_a_list")),
    ("username: clerk", "    - {name: 何, title: 员, username: clerk, roles: [[x]]}", (0, "*.roles", "not_text")),
    ("username: clerk", "    - {name: 何, title: 员, username: clerk}", (0, "*.roles", "missing")),
    ("- number: 3", "  - number: 2", (0, "units[3].number", "number_out_of_order")),
    ("- number: 3", "  - number: 4", (0, "units[3].number", "number_out_of_order")),
    ("name: 第3单位", "    name: 第4单位", (8, "units[4].name", "duplicate_unit")),
    ("name: 第3单位", "    name: 第3单位\n    kind: service_center", (2, "units[3].kind", "duplicate_key")),
    ("name: 第3单位", "    name: 第3单位\n    colour: red", (1, "units[3].colour", "unknown_key")),
    ("name: 第3单位", "    name: 第3单位\n    phone:", (1, "units[3].phone", "missing")),
    ("username: unit3", "      username: unit4", (8, "units[4].representative.username", "duplicate_username")),
    ("username: unit3", "      username: zz-0016", (0, "units[3].representative.username", "username_like_number")),
    ("username: unit3", "      username: 王主任", (0, "units[3].representative.username", "bad_username")),
    ("username: unit3", "", (-3, "units[3].representative.username", "missing")),
]


@pytest.mark.parametrize(("old", "new", "expected"), ONE_FAULT)
def test_a_fault_is_named_with_its_line_and_field(old: str, new: str, expected: tuple[int, str, str]) -> None:
    text = founding_yaml(instead={old: new})
    at = line_of(founding_yaml(), old)

    found = faults(text)

    assert len(found) == 1, found
    line, field, code = found[0]
    assert (line - at, code) == (expected[0], expected[2])
    assert field == expected[1] or (expected[1][0] == "*" and field.endswith(expected[1][1:]))


def test_the_charter_decides_over_kinds_counties_and_who_puts_the_director_forward() -> None:
    text = founding_yaml(
        instead={
            "kind: service_center": "    kind: quality_enterprise",  # may apply later, was not among the founders
            "county: tianyuan": "    county: yuelu",
            "sme_centre: 1": "  sme_centre: 3",
        }
    )

    assert [(field, code) for _, field, code in faults(text)] == [
        ("alliance.sme_centre", "not_the_charters"),
        ("committee.director.put_forward_by", "director_nomination"),
        ("units[1].kind", "unknown_kind"),
        ("units[1].county", "unknown_county"),
    ]


def test_without_a_charter_kinds_and_counties_must_only_look_like_codes() -> None:
    read(founding_yaml(instead={"kind: service_center": "    kind: anything_at_all"}), SILENT)
    text = founding_yaml(instead={"kind: service_center": "    kind: 服务中心"})

    assert [code for _, _, code in faults(text, SILENT)] == ["bad_code"]


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = founding_yaml(
        instead={
            "founded_on": "  founded_on: yesterday",
            "    - unit: 7": "    - unit: 1",
            "name: 第9单位": "    nmae: 第9单位",
            "username: unit12": "      username: unit1",
            "number: 15": "  - number: 14",
        }
    )

    found = faults(text)

    assert [code for _, _, code in found] == [
        "not_a_day",
        "second_seat",
        "missing",
        "unknown_key",
        "duplicate_username",
        "number_out_of_order",
    ]
    assert [line for line, _, _ in found] == sorted(line for line, _, _ in found)


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("", 1, "empty_file"),
        ("# 只有注释\n", 1, "empty_file"),
        ("format: 1\n", 1, "no_end_mark"),
        ("format: 1\n...\nformat: 1\n...\n", 3, "several_documents"),
        ("format: 1\nalliance: &a {name: x}\ncommittee: *a\n...\n", 2, "anchor"),
        ("format: !!int 1\n...\n", 1, "tag"),
        ("format: !!python/object/apply:os.system [id]\n...\n", 1, "tag"),
        ("alliance:\n\tname: x\n...\n", 2, "syntax_tab"),
        ("alliance:\n  name: a: b\n...\n", 2, "syntax_colon"),
        ("alliance:\n  name: x\n founded_on: y\n...\n", 3, "syntax_indent"),
        ('alliance:\n  name: "x\n  founded_on: y\n...\n', 2, "syntax_quote"),
        ("alliance:\n  name: x\n  founded_on\n...\n", 3, "syntax_key"),
        ("alliance:\n  name: [一, 二\n  founded_on: y\n...\n", 2, "syntax_quote"),
        ("alliance:\n  name: @x\n...\n", 2, "syntax_symbol"),
        ("[[a]: b]: c\n...\n", 1, "key_not_text"),
        ("? [a]\n: c\n...\n", 1, "key_not_text"),
        ('"a\\nline 9: forged": c\n...\n', 1, "key_not_text"),
        ("a: " + "[" * 200 + "]" * 200 + "\n...\n", 1, "too_deep"),
        ("a: " + "[" * 200_000, 1, "too_deep"),
        ("format: 1\nalliance: 株\x00洲\n...\n", 2, "unprintable"),
        ("format: 1\nalliance: \x1b[31m\n...\n", 2, "unprintable"),
        ("format: 1\nalliance: 株\u2028洲\n...\n", 2, "unprintable"),
        ("x" * 2_000_000, 1, "file_too_large"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_on_its_line(text: str, line: int, code: str) -> None:
    assert (line, "", code) in faults(text)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("name: 第3单位", "    name： 第3单位", "syntax_colon_form"),
        ("name: 第3单位", "    name：第3单位", "syntax_colon_form"),
        ("name: 第3单位", "    name:第3单位", "syntax_colon_form"),
        ("- number: 3", "  - number：3", "syntax_colon_form"),
        ("format: 1", "format：1", "syntax_colon_form"),
        ("name: 第3单位", "\u3000\u3000name: 第3单位", "syntax_indent_blank"),
        ("name: 第3单位", "  \u00a0 name: 第3单位", "syntax_indent_blank"),
    ],
)
def test_a_slip_of_a_chinese_keyboard_is_named_on_its_own_line(old: str, new: str, code: str) -> None:
    text = founding_yaml(instead={old: new})

    assert faults(text) == [(line_of(founding_yaml(), old), "", code)]


def test_all_slips_of_a_chinese_keyboard_are_named_at_once() -> None:
    text = founding_yaml(instead={"number_prefix": "  number_prefix：ZZ", "name: 第9单位": "\u3000 name:第9单位"})

    assert faults(text) == [
        (line_of(text, "number_prefix"), "", "syntax_colon_form"),
        (line_of(text, "第9单位"), "", "syntax_colon_form"),
        (line_of(text, "第9单位"), "", "syntax_indent_blank"),
    ]


def test_quoted_content_may_look_like_a_slip() -> None:
    file = read(founding_yaml(instead={"name: 第3单位": '    name: "第3单位\n      tel:12"'}))

    assert file.founding.units[2].name == "第3单位 tel:12"


@pytest.mark.parametrize(
    ("data", "line", "code"),
    [
        ("format: 1\nalliance:\n  name: 株洲市\n...\n".encode("gbk"), 3, "encoding"),
        ("format: 1\n...\n".encode("utf-16"), 1, "encoding_utf16"),
        (b"format: 1\n\xff\n...\n", 2, "encoding"),
    ],
)
def test_a_file_that_is_not_utf_8_is_refused_on_the_first_wrong_line(data: bytes, line: int, code: str) -> None:
    assert faults(data) == [(line, "", code)]


def test_aliases_that_multiply_are_refused_without_being_expanded() -> None:
    layers = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10) if n else 'lol'}]" for n in range(12)]

    assert {code for _, _, code in faults("\n".join([*layers, "..."]))} == {"anchor", "alias"}


def test_a_file_cut_off_still_has_its_other_faults_named() -> None:
    text = founding_yaml(instead={"founded_on": "  founded_on: never"})

    found = faults(text.removesuffix("...\n"))

    assert [(line, code) for line, _, code in found] == [(5, "not_a_day"), (len(text.splitlines()) - 1, "no_end_mark")]


@pytest.mark.parametrize("text", ["[]\n...\n", "x\n...\n", "- format: 1\n...\n", "~\n...\n"])
def test_a_file_that_is_no_mapping_is_one_fault_for_the_whole(text: str) -> None:
    assert faults(text)[0] == (1, "", "not_a_mapping")


def test_an_empty_mapping_names_every_missing_section() -> None:
    found = [field for _, field, code in faults("{}\n...\n") if code == "missing"]

    assert found == ["alliance", "committee", "format", "secretariat", "units"]


@pytest.mark.parametrize(
    ("first", "last", "instead", "expected"),
    [
        ("committee:", "secretariat:", [], ("committee", "missing")),
        ("committee:", "secretariat:", ["committee: 待定"], ("committee", "not_a_mapping")),
        ("  vice_directors:", "  members:", [], ("committee.vice_directors", "missing")),
        ("  vice_directors:", "  members:", ["  vice_directors: []"], ("committee.vice_directors", "seats")),
        ("units:", "...", [], ("units", "missing")),
        ("units:", "...", ["units: 见附件"], ("units", "not_a_list")),
        ("units:", "...", ["units: []"], ("units", "missing")),
    ],
)
def test_a_section_that_cannot_be_read_is_one_fault_without_those_that_follow(
    first: str, last: str, instead: list[str], expected: tuple[str, str]
) -> None:
    lines = founding_yaml().splitlines()
    lines[lines.index(first) : lines.index(last)] = instead

    assert [(field, code) for _, field, code in faults("\n".join(lines) + "\n")] == [expected]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    text = founding_yaml()

    windows = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()

    assert read(windows).founding == read(text).founding


def test_lines_count_the_same_with_windows_line_ends() -> None:
    text = founding_yaml(instead={"number: 15": "  - number: 14"})

    assert faults(text.replace("\n", "\r\n")) == faults(text)


def test_full_width_and_lower_case_credit_codes_are_the_same_code() -> None:
    coded = "    name: 第{}单位\n    credit_code: {}"
    text = founding_yaml(
        instead={
            "name: 第3单位": coded.format(3, "91430202DEM000186P"),
            "name: 第4单位": coded.format(4, "９１４３０２０２ dem000186p"),
        }
    )

    assert [(field, code) for _, field, code in faults(text)] == [("units[4].credit_code", "duplicate_credit_code")]


def test_a_credit_code_that_does_not_check_is_a_warning_with_its_line_and_no_fault() -> None:
    text = founding_yaml(instead={"name: 第3单位": "    name: 第3单位\n    credit_code: 91350211M0000XUF46"})

    file = read(text)

    assert [(each.line, each.fault.code) for each in file.warnings] == [
        (line_of(text, "credit_code"), "credit_code.check_character")
    ]
    assert file.founding.units[2].credit_code == "91350211M0000XUF46"


def test_a_term_from_29_february_ends_on_a_day_that_exists() -> None:
    leap = {
        "founded_on": "  founded_on: 2096-02-29",
        "term_from": "  term_from: 2096-02-29",
        "term_to": "  term_to: 2100-03-01",
    }

    assert read(founding_yaml(instead=leap)).founding.term_to.isoformat() == "2100-03-01"


@pytest.mark.parametrize("data", [b"", b"x", b"[alliance]\nname = 1\n", b"\xff", b"seats = 1\nalliance = []\n"])
def test_a_charter_file_that_is_none_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(CharterUnreadable):
        read_charter_rules(data)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_code_a_reader_can_give_has_a_text_whose_placeholders_are_filled(language: str) -> None:
    sources = [ROOT / "services/membership" / layer for layer in ("domain", "schemas", "api", "commands")]
    code = re.compile(r'"(founding\.[a-z_0-9]+)"')
    codes = {
        hit for folder in sources for file in folder.glob("founding*.py") for hit in code.findall(file.read_text())
    }
    catalogue = tomllib.loads((ROOT / f"services/membership/texts/{language}.toml").read_text("utf-8"))

    assert codes, "the pattern finds the codes"
    assert codes <= set(catalogue), codes - set(catalogue)
