"""Founding an empty alliance on the pages: from files and step by step, with every fault shown and nothing lost."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders.console import CHARTER, FOUNDING, Office, Page, Visitor, empty_office
from tests.builders.founding import founding_yaml

CODE = "a-setup-code-for-tests"
TOML = CHARTER.read_text("utf-8")
YAML = FOUNDING.read_text("utf-8")
MARKUP = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An empty platform on which no test of this module founds anything."""
    with empty_office(tmp_path_factory.mktemp("empty"), setup_code=CODE) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Office]:
    """An empty platform of the test's own."""
    with empty_office(tmp_path, setup_code=CODE) as made:
        yield made


def send_files(visitor: Visitor, founding: str = YAML, charter: str = TOML, **form: Any) -> Page:
    visitor.get("/founding/file")
    return visitor.send("/founding/file", **({"setup_code": CODE, "founding": founding, "charter": charter} | form))


def begin_steps(visitor: Visitor) -> None:
    visitor.get("/founding/charter")
    assert visitor.send("/founding/charter", setup_code=CODE, charter=TOML).location == "/founding/alliance"


def send_unit(visitor: Visitor, number: int, **changes: str) -> Page:
    told = {
        "name": f"第{number}单位", "kind": "service_center", "county": "tianyuan", "credit_code": "",
        "representative.name": f"代表{number}", "representative.title": "主任",
        "representative.username": f"unit{number}",
    } | changes  # fmt: skip
    visitor.get(f"/founding/units/{number}")
    return visitor.send(f"/founding/units/{number}", **{f"units[{number}].{key}": text for key, text in told.items()})


# ------------------------------------------------------------ the first page
def test_an_empty_platform_offers_both_ways_and_says_what_it_takes(platform: Office) -> None:
    page = platform.visitor().get("/founding")

    assert page.status == 200
    for words in ("安装口令", "deploy/charter/zhuzhou.toml", "逐步填写", "用文件成立"):
        assert words in page.text
    assert "From files" in platform.visitor("en").get("/founding").text


def test_without_a_setup_code_the_page_says_how_to_do_it_by_command(tmp_path: Path) -> None:
    with empty_office(tmp_path) as office:
        page = office.visitor().get("/founding")
        assert "python -m shared.runtime membership found" in page.text
        assert "LIANMENG_SETUP_CODE" in page.text
        assert office.visitor().get("/founding/file").location == "/founding"


def test_where_an_alliance_is_founded_the_page_is_closed(office: Office) -> None:
    page = office.visitor().get("/founding")

    assert "联盟已经成立" in page.text
    assert "再看一次名单" not in page.text
    assert office.visitor().get("/founding/alliance").location == "/founding"


def test_while_membership_is_away_that_is_said(platform: Office) -> None:
    with platform.without("membership"):
        assert "成员服务暂时连不上" in platform.visitor().get("/founding").text


# ------------------------------------------------------------ from files
def test_the_two_files_found_the_alliance_and_everybody_gets_a_code(fresh: Office) -> None:
    visitor = fresh.visitor()
    assert send_files(visitor).location == "/founding/preview"
    page = visitor.get("/founding/preview")
    assert "株洲市企业服务联盟" in page.text
    assert "发起单位 24 家" in page.text
    assert len(page.html) < 100_000

    page = visitor.send("/founding/found")

    assert page.status == 200
    assert "株洲市企业服务联盟已成立" in page.text
    codes = re.findall(r"<code>([0-9a-f]{64})</code>", page.html)
    assert len(codes) == len(set(codes)) == 29
    assert "https://alliance.example/activate" in page.text
    # the codes are good
    secretary = re.search(r"<code>secretary</code></td>.*?<code>([0-9a-f]{64})</code>", page.html, re.DOTALL)
    assert secretary is not None
    told = {"username": "secretary", "invitation_code": secretary[1], "password": "a long new password"}
    fresh.api.post("membership/v1/accounts/activation", told)
    assert fresh.api.signed_in("secretary", "a long new password").get("membership/v1/me")["roles"] == ["secretariat"]
    assert fresh.api.get("meetings/v1/charter")["version"] == 1
    # shown again only here, and only until they are put away
    assert codes[0] in visitor.send("/founding/found").html
    assert "再看一次名单" in visitor.get("/founding").text
    assert codes[0] not in fresh.visitor().get("/founding").html
    visitor.get("/founding")
    assert "已从本浏览器清除" in visitor.send("/founding/done", follow=True).text
    assert "再看一次名单" not in visitor.get("/founding").text


def test_faults_of_both_files_are_listed_by_line_and_everything_typed_stays(platform: Office) -> None:
    text = founding_yaml(instead={"founded_on": f"  founded_on: {MARKUP}"})

    page = send_files(platform.visitor(), text, TOML.replace('number_prefix = "ZZ"', "number_prefix = 7"))

    assert page.status == 422
    assert "章程有 1 处错误" in page.text
    assert "成立文件有" in page.text
    assert f"“{MARKUP}”不是日期" in page.text
    assert "\n5\nalliance.founded_on\n" in page.text
    assert "secretary_general: {name: 沈若楠" in page.text
    assert MARKUP not in page.html
    assert platform.api.http.get("/api/meetings/v1/charter").status_code == 404


def test_faults_are_told_in_english_too(platform: Office) -> None:
    page = send_files(platform.visitor("en"), founding_yaml(instead={"founded_on": "  founded_on: tomorrow"}))

    assert "`tomorrow` is not a date such as 2026-01-08" in page.text


def test_files_may_be_uploaded_and_their_text_stands_on_the_page_to_be_mended(platform: Office) -> None:
    broken = founding_yaml(9, instead={"term_to": "  term_to: 2031-01-08"}).replace("\n", "\r\n")
    upload = {
        "founding_file": (io.BytesIO(b"\xef\xbb\xbf" + broken.encode()), "alliance.yaml"),
        "charter_file": (io.BytesIO(TOML.encode()), "charter.toml"),
    }

    page = send_files(platform.visitor(), "", "", **upload)

    assert page.status == 422
    assert "任期应为 4 年" in page.text
    assert "第9单位" in page.text


def test_a_file_in_another_encoding_is_told_what_to_do(platform: Office) -> None:
    upload = {"founding_file": (io.BytesIO(YAML.encode("gb18030")), "alliance.yaml")}

    page = send_files(platform.visitor(), "", TOML, **upload)

    assert page.status == 422
    assert "另存为 UTF-8" in page.text
    assert 'id="e-founding"' in page.html


@pytest.mark.parametrize(
    ("code", "words"),
    [("wrong-code-of-twenty-signs", "安装口令不对"), ("", "请填写安装口令"), ("汉字", "只含英文字母")],
)
def test_a_wrong_setup_code_is_told_beside_its_field_and_is_on_no_page(platform: Office, code: str, words: str) -> None:
    page = send_files(platform.visitor(), setup_code=code)

    assert page.status in (403, 422)
    assert words in page.text
    assert 'id="e-setup_code"' in page.html
    assert not code or code not in page.html
    assert "株洲市企业服务联盟" in page.text
    assert "已经填过" not in page.text


def test_a_charter_is_asked_for_where_none_is_in_force(platform: Office) -> None:
    page = send_files(platform.visitor(), charter="")

    assert page.status == 422
    assert "请上传或粘贴章程" in page.text


def test_while_meetings_is_away_nothing_typed_is_lost(platform: Office) -> None:
    visitor = platform.visitor()
    visitor.get("/founding/file")
    with platform.without("meetings"):
        page = visitor.send("/founding/file", setup_code=CODE, founding=YAML, charter=TOML)

    assert page.status == 503
    assert "会议服务暂时连不上" in page.text
    assert "沈若楠" in page.text
    assert "number_prefix" in visitor.get("/founding/file").text


def test_what_was_typed_is_in_no_other_browser_and_sealed_in_the_database(platform: Office) -> None:
    send_files(platform.visitor(), founding_yaml(9))

    assert "第9单位" not in platform.visitor().get("/founding/file").text
    assert platform.visitor().get("/founding/preview").location == "/founding"
    file = Path(platform.assembly.settings.database_url.removeprefix("sqlite:///"))
    for each in file.parent.glob(file.name + "*"):
        assert CODE.encode() not in each.read_bytes()


def test_a_form_that_no_page_of_ours_made_founds_nothing(platform: Office) -> None:
    visitor = platform.visitor()
    send_files(visitor)
    visitor.get("/founding/preview")

    assert visitor.send("/founding/found", form_token="0" * 64).status == 403
    assert platform.api.http.get("/api/membership/v1/alliance").status_code == 404


# ------------------------------------------------------------ step by step
def test_step_by_step_the_alliance_is_founded(fresh: Office) -> None:
    visitor = fresh.visitor()
    begin_steps(visitor)
    page = visitor.get("/founding/alliance")
    assert 'value="株洲市企业服务联盟"' in page.html
    told = {"alliance.name": "株洲市企业服务联盟", "alliance.number_prefix": "ZZ", "alliance.founded_on": "2026-01-08"}
    assert visitor.send("/founding/alliance", **told).location == "/founding/units"
    named = {1: "株洲市中小企业发展服务中心", 2: "株洲市中小微企业窗口服务平台"}
    for number in range(1, 9):
        assert (
            send_unit(visitor, number, **({"name": named[number]} if number in named else {})).location
            == "/founding/units"
        )
    page = visitor.get("/founding/offices")
    assert page.html.count("<select") == 2 + 7
    seats = ["director", "vice_directors[1]", "vice_directors[2]", *(f"members[{number}]" for number in range(1, 5))]
    told = {f"committee.{seat}.unit": str(number) for number, seat in enumerate(seats, start=1)}
    told |= {"alliance.sme_centre": "1", "alliance.window_platform": "2"}
    told |= {"committee.term_from": "2026-01-08", "committee.term_to": "2030-01-08"}
    assert visitor.send("/founding/offices", **told).location == "/founding/people"
    visitor.get("/founding/people")
    general = {"name": "沈若楠", "title": "秘书长", "username": "secretary"}
    operator = {"name": "莫凡", "title": "系统运维", "username": "operator", "roles": ["operator", "treasurer"]}
    people: dict[str, Any] = {f"secretariat.secretary_general.{key}": text for key, text in general.items()}
    people |= {f"secretariat.staff[2].{key}": value for key, value in operator.items()}
    assert visitor.send("/founding/people", **people).location == "/founding/preview"

    page = visitor.get("/founding/preview")
    assert "发起单位 8 家" in page.text
    assert "确认成立" in page.text
    page = visitor.send("/founding/found")

    assert "株洲市企业服务联盟已成立" in page.text
    assert len(re.findall(r"<code>[0-9a-f]{64}</code>", page.html)) == 10


def test_a_step_shows_what_is_wrong_on_it_beside_the_field_and_keeps_what_was_typed(platform: Office) -> None:
    visitor = platform.visitor()
    begin_steps(visitor)
    visitor.get("/founding/alliance")

    page = visitor.send("/founding/alliance", **{"alliance.name": MARKUP, "alliance.number_prefix": "zz"})

    assert page.status == 422
    assert 'id="e-alliance.name"' in page.html
    assert "与章程不一致" in page.text
    assert 'href="#f-alliance.number_prefix"' in page.html
    assert "“zz”不能作编号前缀" in page.text
    assert MARKUP not in page.html
    assert "&lt;script&gt;" in page.html


def test_who_puts_seats_forward_is_asked_once_and_its_lack_told_once(platform: Office) -> None:
    visitor = platform.visitor()
    begin_steps(visitor)
    send_unit(visitor, 1)
    visitor.get("/founding/offices")

    page = visitor.send("/founding/offices", **{"committee.director.unit": "1"})

    assert page.status == 422
    assert "put_forward_by" not in page.html
    assert page.html.count('href="#f-committee.vice_directors[1].unit"') == 1
    assert 'id="e-alliance.window_platform"' in page.html


def test_a_fault_that_names_another_unit_names_it_in_words(platform: Office) -> None:
    visitor = platform.visitor()
    begin_steps(visitor)
    send_unit(visitor, 1)

    page = send_unit(visitor, 2, name="第1单位")

    assert "单位“第1单位”重复，已见于 第 1 家单位，名称" in page.text


def test_a_removed_unit_leaves_no_gap_and_seats_follow(platform: Office) -> None:
    visitor = platform.visitor()
    begin_steps(visitor)
    for number in (1, 2, 3):
        send_unit(visitor, number)
    visitor.get("/founding/offices")
    visitor.send("/founding/offices", **{"committee.director.unit": "3", "alliance.sme_centre": "2"})
    visitor.get("/founding/units")

    page = visitor.send("/founding/units/2/remove", follow=True)

    assert "第3单位" in page.text
    assert "第2单位" not in page.text
    offices = visitor.get("/founding/offices").html
    assert '<option value="2" selected>2 第3单位</option>' in offices
    assert offices.count(" selected>") == 2 + 7


def test_the_preview_lists_everything_that_is_still_missing_with_links_to_its_steps(platform: Office) -> None:
    visitor = platform.visitor()
    begin_steps(visitor)

    page = visitor.get("/founding/preview")

    assert "确认成立" not in page.text
    assert 'href="/founding/alliance#f-alliance.founded_on"' in page.html
    assert 'href="/founding/people#f-secretariat.secretary_general' in page.html
    assert "发起单位" in page.text


def test_further_rows_for_staff_are_given_and_empty_ones_are_no_staff(platform: Office) -> None:
    visitor = platform.visitor()
    begin_steps(visitor)
    visitor.get("/founding/people")

    row = {"name": "何静怡", "title": "干事", "username": "clerk", "roles": "secretariat"}
    page = visitor.send(
        "/founding/people", follow=True, go="more", **{f"secretariat.staff[2].{key}": text for key, text in row.items()}
    )

    assert 'name="secretariat.staff[1].name" aria-required="true" value="何静怡"' in page.html
    assert "secretariat.staff[3].name" in page.html
    assert "secretariat.staff[4].name" not in page.html


def test_the_draft_can_be_taken_home_as_a_founding_file(platform: Office) -> None:
    visitor = platform.visitor()
    begin_steps(visitor)
    send_unit(visitor, 1, name="a: b # c")

    response = visitor.get("/founding/founding.yaml").response

    assert response.headers["Content-Disposition"].startswith("attachment")
    text = response.get_data(as_text=True)
    assert "'a: b # c'" in text
    assert text.endswith("...\n")
    assert CODE not in text


@pytest.mark.parametrize("number", [0, 3, 99])
def test_a_unit_that_is_not_there_is_not_found(platform: Office, number: int) -> None:
    visitor = platform.visitor()
    begin_steps(visitor)
    send_unit(visitor, 1)

    assert visitor.get(f"/founding/units/{number}").status == 404
