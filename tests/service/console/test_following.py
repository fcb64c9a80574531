"""Following an application: by link, by code, by what the browser remembers; answering, correcting, withdrawing."""

from __future__ import annotations

from typing import Any

import pytest

from services.console.pages.application_form import FIELDS, typed_of
from tests.builders.admissions import Admitted, Case, hand_in
from tests.builders.console import Office, Page, Visitor
from tests.builders.new_units import credit_code

MARKUP = '<script>alert("有")</script><b>粗</b>'
ODD_CODE = credit_code(77_000_005)[:-1] + ("0" if credit_code(77_000_005)[-1] != "0" else "1")


@pytest.fixture
def case(office: Office) -> Case:
    return hand_in(office)


def opened(case: Case, language: str = "zh-CN") -> Visitor:
    """A browser that has opened the application with its code."""
    visitor = case.office.visitor(language)
    visitor.get("/status")
    visitor.send("/status", follow=True, link=case.application_id, code=case.access_code)
    return visitor


def status_of(case: Case, visitor: Visitor) -> Page:
    return visitor.get(f"/status/{case.application_id}")


# ------------------------------------------------------------ ways in
def test_id_and_code_open_the_application_without_the_code_in_an_address(case: Case) -> None:
    visitor = case.office.visitor()
    visitor.get("/status")

    answer = visitor.send("/status", link=case.application_id, code=case.access_code.upper())

    assert answer.location == f"/status/{case.application_id}"
    page = visitor.get(answer.location)
    assert page.status == 200
    assert case.unit_name in page.text
    assert "秘书处正在核对申请表" in page.text


def test_a_whole_private_link_can_be_pasted(case: Case) -> None:
    visitor = case.office.visitor()
    visitor.get("/status")
    link = f"https://alliance.example/status/{case.application_id}#code={case.access_code}"

    assert visitor.send("/status", link=link).location == f"/status/{case.application_id}"


def test_a_private_link_shows_a_form_that_a_script_fills_in(case: Case) -> None:
    page = case.office.visitor().get(f"/status/{case.application_id}")

    assert page.status == 200
    assert "data-code" in page.html
    assert page.value("link") == "" or case.application_id in page.html
    assert case.unit_name not in page.text


def test_a_wrong_code_opens_nothing_and_keeps_what_was_typed(case: Case) -> None:
    visitor = case.office.visitor()
    visitor.get("/status")

    page = visitor.send("/status", link=case.application_id, code="0" * 64)

    assert page.status == 422
    assert 'id="e-code"' in page.html
    assert f'value="{case.application_id}"' in page.html
    assert case.unit_name not in page.text


@pytest.mark.parametrize(
    ("link", "code", "field"),
    [
        ("", "", "link"),
        ("../../me", "x", "link"),
        ("x\x00y" * 5, "x", "link"),
        ("ZZ-A-0001", "", "code"),
        ("长" * 10_000, "x", "link"),
    ],
)
def test_what_is_no_link_is_said_beside_its_field(office: Office, link: str, code: str, field: str) -> None:
    visitor = office.visitor()
    visitor.get("/status")

    page = visitor.send("/status", link=link, code=code)

    assert page.status == 422
    assert f'id="e-{field}"' in page.html


def test_the_number_opens_what_this_browser_remembers(case: Case) -> None:
    visitor = opened(case)
    number = case.get()["number"]
    page = visitor.get("/status")

    assert number in page.text
    assert visitor.send("/status", link=number).location == f"/status/{case.application_id}"


def test_the_browser_forgets_on_request(case: Case) -> None:
    visitor = opened(case)
    status_of(case, visitor)

    visitor.send(f"/status/{case.application_id}/forget", follow=True)

    assert case.unit_name not in visitor.get("/status").text
    assert case.unit_name not in status_of(case, visitor).text


def test_somebody_signed_in_needs_the_code_like_everybody(case: Case) -> None:
    secretary = case.office.signed_in("secretary")
    secretary.get("/status")

    page = secretary.send("/status", link=case.application_id, code="1" * 64)

    assert page.status == 422
    assert 'id="e-code"' in page.html


def test_membership_away_is_said_and_the_code_is_still_there(case: Case) -> None:
    visitor = case.office.visitor()
    visitor.get("/status")

    with case.office.without("membership"):
        page = visitor.send("/status", link=case.application_id, code=case.access_code)

    assert page.status == 503
    assert case.access_code in page.html


# ------------------------------------------------------------ where it stands
def test_the_way_has_its_stages_with_articles(case: Case) -> None:
    page = status_of(case, opened(case))

    for stage in ("递交申请", "秘书处核对", "执行委员会审查", "会员大会表决", "列入名册"):
        assert stage in page.text
    for article in ("第六条（一）", "第十一条", "第六条（二）", "第六条（三）"):
        assert article in page.text
    assert 'aria-current="step">秘书处核对' in page.html


def test_a_running_vote_is_shown_with_its_end(case: Case) -> None:
    case.accept()

    page = status_of(case, opened(case))

    assert "执行委员会正在审查" in page.text
    assert "表决截止" in page.text
    assert "执行委员会开始表决" in page.text


def test_the_form_is_shown_as_filled_in(case: Case) -> None:
    page = status_of(case, opened(case))

    assert "李晓梅" in page.text
    assert "13907330000" in page.text
    assert "优质企业" in page.text
    assert "醴陵市" in page.text


def test_warnings_are_said_to_stop_nothing(office: Office) -> None:
    case = hand_in(office, credit_code=ODD_CODE)

    page = status_of(case, opened(case))

    assert "校验位不符" in page.text
    assert "不影响办理" in page.text


def test_notes_of_the_office_are_never_shown(case: Case) -> None:
    case.secretary.post(f"membership/v1/applications/{case.application_id}/notes", {"text": "内部备注七七八"})

    assert "内部备注七七八" not in status_of(case, opened(case)).html
    signed_in = case.office.signed_in("secretary")
    signed_in.get("/status")
    signed_in.send("/status", link=case.application_id, code=case.access_code)
    assert "内部备注七七八" not in status_of(case, signed_in).html


def test_without_meetings_the_status_stands(case: Case) -> None:
    visitor = opened(case)

    with case.office.without("meetings"):
        page = status_of(case, visitor)

    assert page.status == 200
    assert case.unit_name in page.text
    assert "会议服务暂时连不上" in page.text


# ------------------------------------------------------------ questions
def test_a_question_is_answered_with_a_correction(case: Case) -> None:
    question = case.ask("请核对职工人数。")
    visitor = opened(case)
    assert "请核对职工人数。" in status_of(case, visitor).text
    address = f"/status/{case.application_id}/questions/{question}"
    visitor.get(address)

    page = visitor.send(address, follow=True, **typed(case), text="现有 42 人。", headcount="42 人")

    assert "答复已送出" in page.text
    assert "现有 42 人。" in page.text
    found = case.get()
    assert found["state"] == "submitted"
    assert found["form"]["headcount"] == 42
    assert found["questions"][0]["corrections"] == {"headcount": 42}


def test_an_answer_without_changes_corrects_nothing(case: Case) -> None:
    question = case.ask()
    visitor = opened(case)
    address = f"/status/{case.application_id}/questions/{question}"
    visitor.get(address)

    visitor.send(address, follow=True, **typed(case), text="没有变化。")

    assert not case.get()["questions"][0]["corrections"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("headcount", "-3"),
        ("representative.email", "nobody"),
        ("unit_name", ""),
        ("established_on", "昨天"),
        ("text", ""),
        ("text", "长" * 10_000),
        ("text", "a\x00b"),
    ],
)
def test_a_bad_answer_is_refused_beside_its_field_and_stays(case: Case, name: str, text: str) -> None:
    question = case.ask()
    visitor = opened(case)
    address = f"/status/{case.application_id}/questions/{question}"
    visitor.get(address)

    page = visitor.send(address, **{**typed(case), "text": "已更正，请查收。", name: text})

    assert page.status == 422
    assert f'id="e-{name}"' in page.html
    assert name == "text" or "已更正，请查收。" in page.html
    assert case.get()["state"] == "questioned"


def test_an_answer_survives_membership_s_absence(case: Case) -> None:
    question = case.ask()
    visitor = opened(case)
    address = f"/status/{case.application_id}/questions/{question}"
    visitor.get(address)
    whole = case.office.without("membership")

    with whole:
        page = visitor.send(address, **typed(case), text="写了很久的答复")

    assert page.status == 503
    assert "写了很久的答复" in page.html


def test_an_answer_sent_twice_is_one_answer(case: Case) -> None:
    question = case.ask()
    visitor = opened(case)
    address = f"/status/{case.application_id}/questions/{question}"
    visitor.get(address)

    first = visitor.send(address, **typed(case), text="一次")
    second = visitor.send(address, **typed(case), text="一次")

    assert first.location == second.location
    assert [each["answer"] for each in case.get()["questions"]] == ["一次"]


def test_a_question_of_another_application_is_not_found(case: Case, office: Office) -> None:
    other = hand_in(office)
    question = other.ask()

    page = opened(case).get(f"/status/{case.application_id}/questions/{question}")

    assert page.status == 404


def test_nothing_is_answered_or_withdrawn_without_the_code(case: Case) -> None:
    question = case.ask()
    stranger = case.office.visitor()
    stranger.get("/status")

    assert stranger.send(f"/status/{case.application_id}/questions/{question}", text="冒名").status == 404
    assert stranger.send(f"/status/{case.application_id}/withdraw").status == 404
    assert case.get()["state"] == "questioned"


# ------------------------------------------------------------ the end
def test_an_application_is_withdrawn_after_a_question_back(case: Case) -> None:
    visitor = opened(case)
    address = f"/status/{case.application_id}/withdraw"
    assert "撤回申请？" in visitor.get(address).text

    page = visitor.send(address, follow=True, reason="内部调整，明年再来。")

    assert "申请已撤回" in page.text
    assert "内部调整，明年再来。" in page.text
    assert case.get()["state"] == "withdrawn"
    assert visitor.get(address).location == f"/status/{case.application_id}"


def test_a_reason_that_is_too_long_is_refused_beside_its_field(case: Case) -> None:
    visitor = opened(case)
    address = f"/status/{case.application_id}/withdraw"
    visitor.get(address)

    page = visitor.send(address, reason="因" * 10_000)

    assert page.status == 422
    assert 'id="e-reason"' in page.html
    assert "因" * 10_000 in page.html


def test_after_the_admission_the_account_can_be_activated(admitted: Admitted) -> None:
    page = status_of(admitted.case, opened(admitted.case))

    assert "欢迎加入联盟" in page.text
    assert "ZZ-0025" in page.text
    assert f'href="/activate?application={admitted.case.application_id}"' in page.html
    assert "会员大会表决通过，列入成员名册" in page.text
    assert f"/status/{admitted.case.application_id}/withdraw" not in page.html


# ------------------------------------------------------------ markup and languages
def test_markup_in_every_stored_text_is_text(office: Office) -> None:
    texts = dict.fromkeys(
        ("unit_name", "address", "main_business", "introduction", "reason", "honours", "recommender"), MARKUP
    )
    case = hand_in(
        office, **texts, service_fields=[MARKUP], legal_representative={"name": MARKUP, "title": MARKUP[:50]}
    )
    case.answer(case.ask(MARKUP), MARKUP)
    question = case.ask(MARKUP)
    visitor = opened(case)
    pages = [status_of(case, visitor), visitor.get(f"/status/{case.application_id}/questions/{question}")]
    pages += [visitor.get(f"/status/{case.application_id}/withdraw"), visitor.get("/status")]
    visitor.get(f"/status/{case.application_id}/withdraw")
    pages.append(visitor.send(f"/status/{case.application_id}/withdraw", follow=True, reason=MARKUP))

    for page in pages:
        assert page.status == 200
        assert "<script>alert" not in page.html
        assert "<b>粗" not in page.html
        assert "&lt;script&gt;alert(" in page.html


def test_everything_is_there_in_english(case: Case) -> None:
    case.ask()
    page = status_of(case, opened(case, "en"))

    assert "The secretariat waits for your answer" in page.text
    assert "General meeting's vote" in page.text
    assert "Quality enterprise" in page.text


def typed(case: Case) -> dict[str, Any]:
    """The form's fields as the page gives them back."""
    return {name: text for name, text in typed_of(case.get()["form"]).items() if name in FIELDS}
