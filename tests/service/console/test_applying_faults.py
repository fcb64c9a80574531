"""What is wrong with an application: said beside its field, on whichever step that is, with everything typed still there."""

from __future__ import annotations

from services.console.pages.application_form import FIELDS, STEP_OF
from tests.builders.applying import fill_in, hand_in_by_pages, typed_unit
from tests.builders.console import Office
from tests.builders.new_units import credit_code

ODD_CODE = credit_code(77_000_002)[:-1] + ("0" if credit_code(77_000_002)[-1] != "0" else "1")
BAD = {
    "legal_representative.name": "长" * 10_000,
    "representative.mobile": "12345",
    "representative.email": "nobody",
    "contact.name": "只有姓名的联系人",
    "website": "ftp://example.cn",
    "established_on": "2021-13-45",
    "headcount": "-5",
    "registered_capital_fen": "许多",
    "introduction": "介" * 10_000,
    "service_fields": "、".join(f"领域{number}" for number in range(30)),
}


def test_bad_values_are_refused_beside_their_fields_and_nothing_is_lost(office: Office) -> None:
    visitor, typed = office.visitor(), typed_unit(**{name.replace(".", "__"): text for name, text in BAD.items()})
    fill_in(visitor, typed)

    page = visitor.send("/apply/review", charter_pledge="yes")

    assert page.status == 422
    refused = {name for name in BAD if f'href="/apply/{STEP_OF[name]}#f-{name}"' in page.html}
    # The contents of persons' fields are looked at once every field has the right shape.
    assert refused >= {
        "legal_representative.name", "established_on", "headcount", "registered_capital_fen",
        "introduction", "service_fields",
    }  # fmt: skip
    for name, text in BAD.items():
        shown = visitor.get(f"/apply/{STEP_OF[name]}").html
        assert text in shown, name
        assert name not in refused or f'id="e-{name}"' in shown, name
    # A date field would show nothing of what is no date.
    assert '<input type="text" id="f-established_on"' in visitor.get("/apply/business").html


def test_a_character_that_cannot_be_stored_is_refused_beside_its_field(office: Office) -> None:
    visitor = office.visitor()
    fill_in(visitor, typed_unit(unit_name="甲\x00乙"))

    page = visitor.send("/apply/review", charter_pledge="yes")

    assert page.status == 422
    assert '<a href="/apply/unit#f-unit_name">单位名称</a>' in page.html
    assert 'id="e-unit_name"' in visitor.get("/apply/unit").html


def test_contents_that_the_api_refuses_are_shown_beside_their_fields(office: Office) -> None:
    wrong = ("representative.mobile", "representative.email", "contact.mobile", "website")
    bad = {name: BAD[name] for name in ("representative.mobile", "representative.email", "contact.name", "website")}
    visitor, typed = office.visitor(), typed_unit(**{name.replace(".", "__"): text for name, text in bad.items()})
    fill_in(visitor, typed)

    visitor.send("/apply/review", charter_pledge="yes")

    for name in wrong:
        page = visitor.get(f"/apply/{STEP_OF[name]}")
        assert page.status == 200
        assert f'id="e-{name}"' in page.html, name


def test_a_fault_goes_once_its_field_is_changed(office: Office) -> None:
    visitor, typed = office.visitor(), typed_unit(representative__mobile="12345")
    fill_in(visitor, typed)
    visitor.send("/apply/review", charter_pledge="yes")

    visitor.get("/apply/people")
    typed = {**typed, "representative.mobile": "13800138000"}
    visitor.send("/apply/people", **{name: typed.get(name, "") for name in FIELDS if STEP_OF[name] == "people"})

    assert "不是有效的手机号码" not in visitor.get("/apply/people").text
    assert "不是有效的手机号码" not in visitor.get("/apply/review").text


def test_without_the_pledge_nothing_is_sent(office: Office) -> None:
    visitor = office.visitor()
    fill_in(visitor, typed_unit())

    page = visitor.send("/apply/review")

    assert page.status == 422
    assert '<p class="error" id="e-charter_pledge">申请单位须承诺遵守联盟章程。</p>' in page.html


def test_a_unit_that_has_applied_is_told_so_at_its_credit_code(office: Office) -> None:
    typed = typed_unit()
    hand_in_by_pages(office.visitor(), typed)

    page = hand_in_by_pages(office.visitor(), typed)

    assert page.status == 409
    assert '<a href="/apply/unit#f-credit_code">统一社会信用代码</a>' in page.html


def test_an_odd_credit_code_is_a_warning_in_plain_words(office: Office) -> None:
    page = hand_in_by_pages(office.visitor(), typed_unit(credit_code=ODD_CODE))

    assert page.status == 200
    assert "校验位不符" in page.text
    assert "申请已经递交，不受影响" in page.text
