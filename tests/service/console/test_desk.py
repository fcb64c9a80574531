"""The desk: what the secretariat and the committee see of applications, and what the secretariat does about them."""

from __future__ import annotations

import pytest

from tests.builders.admissions import Case, hand_in
from tests.builders.console import Office
from tests.builders.new_units import credit_code

MARKUP = '<script>alert("有")</script><b>粗</b>'
MARKUP_AS_TEXT = "&lt;script&gt;alert("
#: A valid code with another check character: a warning, never a refusal.
ODD_CODE = credit_code(77_000_001)[:-1] + ("0" if credit_code(77_000_001)[-1] != "0" else "1")


@pytest.fixture
def case(office: Office) -> Case:
    return hand_in(office)


# ------------------------------------------------------------ the list
def test_the_list_begins_with_the_newest_and_names_what_the_charter_names(office: Office) -> None:
    older, newer = hand_in(office), hand_in(office)

    page = office.signed_in("secretary").get("/applications")

    assert page.status == 200
    assert page.text.index(newer.unit_name) < page.text.index(older.unit_name)
    assert newer.get()["number"] in page.text
    assert "待秘书处核对" in page.text
    assert "优质企业" in page.text
    assert "醴陵市" in page.text


def test_the_list_can_be_narrowed_to_a_state(office: Office, case: Case) -> None:
    clerk = office.signed_in("clerk")
    withdrawn = hand_in(office)
    withdrawn.withdraw()

    page = clerk.get("/applications?state=withdrawn")

    assert withdrawn.unit_name in page.text
    assert case.unit_name not in page.text


def test_a_long_list_goes_on_on_the_next_page(office: Office) -> None:
    first = hand_in(office)
    for _ in range(20):
        last = hand_in(office)
    visitor = office.signed_in("secretary")

    page = visitor.get("/applications?state=submitted")
    address = page.html.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    following = visitor.get(address)

    assert last.unit_name in page.text
    assert first.unit_name not in page.text
    assert first.unit_name in following.text
    assert "回到第一页" in following.text


def test_an_unknown_state_is_no_filter(office: Office, case: Case) -> None:
    assert case.unit_name in office.signed_in("secretary").get("/applications?state=<b>").text


# ------------------------------------------------------------ one application
def test_an_application_is_read_on_one_page(office: Office) -> None:
    case = hand_in(office, registered_capital_fen=500_000_000, headcount=38)
    question = case.ask("请说明职工人数。")
    case.answer(question, "已更正为 42 人。", headcount=42)

    page = office.signed_in("secretary").get(case.page)

    for words in (
        case.unit_name, "递交申请", "秘书处核对", "会员大会表决", "第六条（二）", "王建国", "5,000,000.00",
        "请说明职工人数。", "已更正为 42 人。", "随答复更正的内容", "申请单位答复，交回秘书处", "内部备注",
    ):  # fmt: skip
        assert words in page.text, words
    assert f"/timelines/{case.get()['correlation_id']}" in page.html


def test_an_application_is_read_in_english_too(office: Office, case: Case) -> None:
    page = office.signed_in("secretary", "en").get(case.page)

    assert "With the secretariat" in page.text
    assert "Internal notes" in page.text
    assert "desk." not in page.text


def test_what_people_have_written_is_text_and_no_markup(office: Office) -> None:
    case = hand_in(office, unit_name=f"单位{MARKUP}", introduction=MARKUP, reason=MARKUP)
    case.answer(case.ask(MARKUP), MARKUP)
    visitor = office.signed_in("secretary")
    visitor.get(case.page)
    visitor.send(f"{case.page}/notes", note=MARKUP)

    for path in ("/applications", case.page, f"{case.page}/acceptance", f"{case.page}/withdrawal"):
        page = visitor.get(path)
        assert "<script>alert" not in page.html, path
        assert "<b>粗" not in page.html, path
        assert MARKUP_AS_TEXT in page.html, path


def test_an_application_that_is_not_there_is_said_so(office: Office) -> None:
    assert office.signed_in("secretary").get("/applications/none").status == 404
    assert office.signed_in("secretary").get("/applications/..%2Fme").status == 404


def test_where_an_application_ended_is_marked_in_the_procedure(office: Office) -> None:
    case = hand_in(office)
    case.accept()
    case.withdraw()

    page = office.signed_in("secretary").get(case.page)

    assert "已撤回" in page.text
    assert page.html.count('<li class="failed">') == 1
    assert "登记撤回" not in page.text


# ------------------------------------------------------------ who
def test_visitors_are_led_to_the_sign_in(office: Office, case: Case) -> None:
    page = office.visitor().get(case.page)

    assert page.status == 303
    assert page.location.startswith("/sign-in?next=/applications/")


@pytest.mark.parametrize("username", ["lusong", "treasurer", "operator", "authority"])
def test_applications_are_for_the_secretariat_and_the_committee(office: Office, case: Case, username: str) -> None:
    visitor = office.signed_in(username)

    assert visitor.get("/applications").status == 403
    assert visitor.get(case.page).status == 403


def test_a_committee_member_reads_and_changes_nothing(office: Office, case: Case) -> None:
    member = office.signed_in("tianyuan")

    page = member.get(case.page)
    tries = [
        member.send(f"{case.page}/{what}", question="?", note="?")
        for what in ("questions", "notes", "acceptance", "withdrawal")
    ]

    assert page.status == 200
    assert "受理" not in page.text.replace("受理后", "")
    assert "保存备注" not in page.text
    assert [each.status for each in tries] == [403] * 4
    assert case.get()["state"] == "submitted"


# ------------------------------------------------------------ questions and notes
def test_a_question_goes_to_the_applicant(office: Office, case: Case) -> None:
    visitor = office.signed_in("clerk")
    visitor.get(case.page)

    page = visitor.send(f"{case.page}/questions", question="请补充资质。", follow=True)

    assert "问题已发给申请单位" in page.text
    assert "请补充资质。" in page.text
    assert "尚未答复" in page.text
    assert "待申请单位答复" in page.text
    assert [each["text"] for each in case.get()["questions"]] == ["请补充资质。"]


def test_a_form_sent_twice_asks_once(office: Office, case: Case) -> None:
    visitor = office.signed_in("clerk")
    visitor.get(case.page)

    visitor.send(f"{case.page}/questions", question="请补充资质。")
    visitor.send(f"{case.page}/questions", question="请补充资质。")

    assert len(case.get()["questions"]) == 1


@pytest.mark.parametrize(("field", "what"), [("question", "questions"), ("note", "notes")])
def test_a_text_that_is_refused_stays_in_its_field_with_the_reason(
    office: Office, case: Case, field: str, what: str
) -> None:
    visitor = office.signed_in("clerk")
    visitor.get(case.page)
    long = "很长" * 1_501

    page = visitor.send(
        f"{case.page}/{what}", question=long if field == "question" else "", note=long if field == "note" else ""
    )

    assert page.status == 422
    assert long in page.html
    assert f'href="#f-{field}"' in page.html
    assert f'id="e-{field}"' in page.html


def test_a_note_is_kept_apart_and_marked_as_internal(office: Office, case: Case) -> None:
    visitor = office.signed_in("secretary")
    visitor.get(case.page)

    page = visitor.send(f"{case.page}/notes", note="已电话核对。", follow=True)

    assert "备注已保存" in page.text
    inside = page.html.split('class="card internal"')[1].split("</section>")[0]
    assert "已电话核对。" in inside
    assert "申请单位看不到" in inside
    assert "已电话核对。" in office.signed_in("centre").get(case.page).text


# ------------------------------------------------------------ accepting and withdrawing
def test_an_application_is_accepted_after_a_confirmation(office: Office, case: Case) -> None:
    visitor = office.signed_in("secretary")
    visitor.get(case.page)
    confirmation = visitor.get(f"{case.page}/acceptance")

    page = visitor.send(f"{case.page}/acceptance", follow=True)

    assert case.unit_name in confirmation.text
    assert "confirm_warnings" not in confirmation.html
    assert "已受理" in page.text
    assert "执行委员会审查中" in page.text


def test_warnings_must_be_confirmed_before_an_application_is_accepted(office: Office) -> None:
    case = hand_in(office, credit_code=ODD_CODE)
    visitor = office.signed_in("secretary")
    listed = visitor.get("/applications")
    read = visitor.get(case.page)
    visitor.get(f"{case.page}/acceptance")

    refused = visitor.send(f"{case.page}/acceptance")
    accepted = visitor.send(f"{case.page}/acceptance", confirm_warnings="1", follow=True)

    assert "项提示" in listed.text
    assert "校验位不符" in read.text
    assert refused.status == 409
    assert "校验位不符" in refused.text
    assert 'id="e-confirm_warnings"' in refused.html
    assert "执行委员会审查中" in accepted.text


def test_an_open_question_keeps_an_application_from_being_accepted(office: Office, case: Case) -> None:
    case.ask()
    visitor = office.signed_in("secretary")
    visitor.get(f"{case.page}/acceptance")

    page = visitor.send(f"{case.page}/acceptance")

    assert page.status == 409
    assert "第十一条" in page.text


def test_a_withdrawal_on_paper_needs_what_it_rests_on(office: Office, case: Case) -> None:
    visitor = office.signed_in("clerk")
    visitor.get(f"{case.page}/withdrawal")

    refused = visitor.send(f"{case.page}/withdrawal", withdrawal_reason=" ")
    recorded = visitor.send(f"{case.page}/withdrawal", withdrawal_reason="3 月 2 日来函", follow=True)

    assert refused.status == 422
    assert 'id="e-withdrawal_reason"' in refused.html
    assert "撤回已登记" in recorded.text
    assert "3 月 2 日来函" in recorded.text
    assert case.get()["state"] == "withdrawn"


# ------------------------------------------------------------ services away
def test_while_meetings_is_away_applications_can_be_read(office: Office, case: Case) -> None:
    case.accept()
    visitor = office.signed_in("centre")

    with office.without("meetings"):
        listed, read = visitor.get("/applications"), visitor.get(case.page)

    assert listed.status == read.status == 200
    assert "会议服务暂时连不上" in read.text
    assert case.unit_name in listed.text


def test_while_membership_is_away_nothing_typed_is_lost(office: Office, case: Case) -> None:
    visitor = office.signed_in("secretary")
    visitor.get(case.page)
    key = visitor.page.value("key") if visitor.page else ""

    with office.without("membership"):
        page = visitor.send(f"{case.page}/questions", question="请补充资质。")
    again = visitor.send(f"{case.page}/questions", question="请补充资质。", follow=True)

    assert page.status == 503
    assert "请补充资质。" in page.html
    assert page.value("key") == key
    assert "问题已发给申请单位" in again.text
