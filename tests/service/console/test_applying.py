"""Applying on the pages: kept step by step, refused beside its field, sent once, and nothing typed is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from services.console.browser import VISITOR_COOKIE
from services.console.pages.application_form import FIELDS, STEPS
from shared.runtime.logging import configure_logging
from tests.builders.applying import code_on, fill_in, hand_in_by_pages, typed_unit
from tests.builders.console import PASSWORD, Office, Visitor
from tests.builders.new_units import credit_code

MARKUP = '<script>alert("有")</script><b>粗</b>'


def test_the_first_page_says_what_is_needed_and_who_may_apply(office: Office) -> None:
    page = office.visitor().get("/apply")

    assert page.status == 200
    assert "统一社会信用代码" in page.text
    assert "优质企业" in page.text
    assert "第六条（一）" in page.text


def test_an_application_is_filled_in_looked_over_and_sent(office: Office) -> None:
    visitor, typed = office.visitor(), typed_unit(registered_capital_fen="500 万元", established_on="2021年6月1日")

    review = fill_in(visitor, typed)
    page = visitor.send("/apply/review", follow=True, charter_pledge="yes")

    assert "5,000,000.00 元" in review.text
    assert "2021-06-01" in review.text
    assert page.text.splitlines().count("申请已递交") >= 1
    assert code_on(page, "link").startswith("https://alliance.example/status/")
    found = office.api.with_application_code(code_on(page, "code")).get(
        f"membership/v1/applications/{code_on(page, 'id')}"
    )
    assert found["number"] == code_on(page, "number")
    assert found["form"]["registered_capital_fen"] == 500_000_000
    assert found["form"]["unit_name"] == typed["unit_name"]


def test_what_was_sent_leaves_no_draft_and_is_remembered(office: Office) -> None:
    visitor, typed = office.visitor(), typed_unit()
    hand_in_by_pages(visitor, typed)

    assert "尚未递交" not in visitor.get("/apply").text
    assert typed["unit_name"] in visitor.get("/status").text


# ------------------------------------------------------------ the draft
def test_a_draft_waits_for_another_day_in_the_same_browser_only(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/apply/unit")
    assert visitor.send("/apply/unit", go="later", unit_name="渌口区机电协会").location == "/apply?said=draft_kept"

    assert "渌口区机电协会" in visitor.get("/apply").text
    assert 'value="渌口区机电协会"' in visitor.get("/apply/unit").html
    assert "渌口区机电协会" not in office.visitor().get("/apply/unit").html


def test_a_script_keeps_what_is_typed_without_leaving_the_page(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/apply/about")

    answer = visitor.send("/apply/about/keep", reason="与同行交流\r\n共享设备")

    assert answer.status == 204
    assert "与同行交流\n共享设备</textarea>" in visitor.get("/apply/about").html


def test_a_step_leads_on_when_it_is_complete(office: Office) -> None:
    visitor, typed = office.visitor(), typed_unit()
    visitor.get("/apply/unit")

    answer = visitor.send(
        "/apply/unit", **{name: typed[name] for name in ("unit_name", "credit_code", "kind", "county")}
    )

    assert answer.location == "/apply/people"


def test_what_is_missing_is_said_beside_its_field_and_the_rest_is_kept(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/apply/unit")

    page = visitor.send("/apply/unit", unit_name="醴陵釉料研究所", credit_code="", county="liling")

    assert page.status == 422
    assert 'value="醴陵釉料研究所"' in page.html
    assert '<option value="liling" selected>' in page.html
    assert '<p class="error" id="e-credit_code">请填写此项。</p>' in page.html
    assert '<a href="#f-kind">单位类型</a>' in page.html


def test_a_draft_is_discarded_after_a_question(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/apply/unit")
    visitor.send("/apply/unit", go="later", unit_name="不再申请的单位")

    assert "不再申请的单位" in visitor.get("/apply/discard").text
    visitor.send("/apply/discard", follow=True)

    assert "不再申请的单位" not in visitor.get("/apply").text
    assert visitor.get("/apply/discard").location == "/apply"


def test_two_tabs_do_not_overwrite_one_another(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/apply/unit")
    visitor.send("/apply/unit/keep", unit_name="甲单位")
    visitor.get("/apply/about")
    visitor.send("/apply/about/keep", reason="乙理由")

    assert "甲单位" in visitor.get("/apply/review").text
    assert "乙理由" in visitor.get("/apply/review").text


def test_what_is_stored_of_a_draft_cannot_be_read(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/apply/unit")
    visitor.send("/apply/unit/keep", unit_name="只有浏览器读得出的单位")

    stored = b"".join(path.read_bytes() for path in office_files(office))

    assert "只有浏览器读得出的单位".encode() not in stored


def office_files(office: Office) -> list[Path]:
    database = Path(office.assembly.settings.database_url.removeprefix("sqlite:///"))
    return [path for path in database.parent.iterdir() if path.name.startswith(database.name)]


# ------------------------------------------------------------ sent once
def test_sending_twice_makes_one_application(office: Office) -> None:
    visitor, typed = office.visitor(), typed_unit()
    fill_in(visitor, typed)

    first = visitor.send("/apply/review", charter_pledge="yes")
    second = visitor.send("/apply/review", charter_pledge="yes")

    assert first.location.startswith("/apply/sent/")
    assert second.location == first.location
    assert applications_named(office, typed["unit_name"]) == 1


def test_two_clicks_at_once_make_one_application(office: Office) -> None:
    visitor, other, typed = office.visitor(), office.visitor(), typed_unit()
    fill_in(visitor, typed)
    cookie = visitor.client.get_cookie(VISITOR_COOKIE, domain="alliance.example")
    assert cookie is not None
    other.client.set_cookie(VISITOR_COOKIE, cookie.value, domain="alliance.example", secure=True)
    other.get("/apply/review")

    def click(who: Visitor) -> str:
        return who.send("/apply/review", charter_pledge="yes").location

    with ThreadPoolExecutor(2) as clicks:
        locations = list(clicks.map(click, (visitor, other)))

    assert locations[0] == locations[1]
    assert applications_named(office, typed["unit_name"]) == 1


def test_what_changed_after_it_was_looked_over_is_not_sent_unseen(office: Office) -> None:
    visitor, typed = office.visitor(), typed_unit()
    review = fill_in(visitor, typed)
    key = review.value("key")
    visitor.get("/apply/about")
    visitor.send("/apply/about/keep", reason="另一个窗口里改过的理由")

    visitor.get("/apply/about")
    page = visitor.send("/apply/review", charter_pledge="yes", key=key)

    assert page.status == 409
    assert "又有改动" in page.text
    assert applications_named(office, typed["unit_name"]) == 0


# ------------------------------------------------------------ services away
def test_a_draft_survives_the_absence_of_membership(office: Office) -> None:
    visitor, typed = office.visitor(), typed_unit()
    fill_in(visitor, typed)

    with office.without("membership"):
        page = visitor.send("/apply/review", charter_pledge="yes")

    assert page.status == 503
    assert "还没有送出" in page.text
    assert typed["unit_name"] in page.text
    assert typed["unit_name"] in visitor.get("/apply").text
    visitor.get("/apply/review")
    assert "申请已递交" in visitor.send("/apply/review", follow=True, charter_pledge="yes").text


def test_without_meetings_the_step_stands_with_what_was_chosen(office: Office) -> None:
    visitor, typed = office.visitor(), typed_unit()
    fill_in(visitor, typed)

    with office.without("meetings"):
        page = visitor.get("/apply/unit")
        review = visitor.get("/apply/review")
        visitor.get("/apply/unit")
        on = visitor.send("/apply/unit", unit_name=typed["unit_name"], credit_code=typed["credit_code"])

    assert page.status == 200
    assert "您已选择：优质企业" in page.text
    assert f'value="{typed["unit_name"]}"' in page.html
    assert "优质企业" in review.text
    assert on.location == "/apply/people"
    assert "优质企业" in visitor.get("/apply/review").text


def test_without_meetings_a_new_application_can_be_begun(office: Office) -> None:
    visitor = office.visitor()
    with office.without("meetings"):
        assert visitor.get("/apply").status == 200
        assert "选项暂时取不到" in visitor.get("/apply/unit").text
        on = visitor.send("/apply/unit", unit_name="先填其他的单位", credit_code=credit_code(77_000_003))

    assert on.location == "/apply/people"


# ------------------------------------------------------------ markup, languages, secrets
def test_markup_in_every_field_is_text(office: Office) -> None:
    visitor = office.visitor()
    review = fill_in(visitor, dict.fromkeys(FIELDS, MARKUP))
    pages = [
        review,
        *(visitor.get(f"/apply/{step}") for step in STEPS),
        visitor.get("/apply"),
        visitor.get("/apply/discard"),
    ]
    pages.append(visitor.get("/apply/review"))
    pages.append(visitor.send("/apply/review", charter_pledge="yes"))

    for page in pages:
        assert "<script>alert" not in page.html
        assert "<b>粗" not in page.html
        assert page.status in (200, 422)
    assert review.html.count("&lt;script&gt;alert(") >= len(FIELDS)


def test_everything_is_there_in_english(office: Office) -> None:
    visitor = office.visitor("en")

    page = hand_in_by_pages(visitor, typed_unit(credit_code=credit_code(77_000_004)[:-1] + "I"))

    assert "The application is sent" in page.text
    assert "Please check the unified social credit code" in page.text
    assert "Quality enterprise" in office.visitor("en").get("/apply/unit").text


def test_the_code_is_in_no_address_and_no_log(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    configure_logging("INFO", "office", json_lines=True)
    try:
        visitor = office.visitor()
        fill_in(visitor, typed_unit())
        sending = visitor.send("/apply/review", charter_pledge="yes")
        page = visitor.get(sending.location)
        code = code_on(page, "code")
        status = visitor.get(f"/status/{code_on(page, 'id')}")
        said = capsys.readouterr().err
    finally:
        structlog.configure(**before)

    assert len(code) == 64
    assert code not in sending.location
    assert "/apply/review" in said
    assert code not in said
    # Behind the # it is in no request.
    assert f"#code={code}" in status.html
    assert f"?code={code}" not in status.html + page.html


def test_nobody_else_is_shown_what_one_browser_sent(office: Office) -> None:
    page = hand_in_by_pages(office.visitor(), typed_unit())

    elsewhere = office.visitor().get(f"/apply/sent/{code_on(page, 'id')}")

    assert elsewhere.location == f"/status/{code_on(page, 'id')}"


def test_nothing_can_be_sent_without_a_draft(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/apply/review")

    assert visitor.send("/apply/review", charter_pledge="yes").location == "/apply?said=nothing_to_send"


def test_what_is_far_beyond_a_form_is_not_kept(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/apply/about")

    assert visitor.send("/apply/about/keep", reason="长" * 100_001).status == 413


def applications_named(office: Office, unit_name: str) -> int:
    secretary = office.api.signed_in("secretary", PASSWORD)
    items = secretary.get("membership/v1/applications", limit=50)["items"]
    return sum(1 for each in items if each["unit_name"] == unit_name)
