"""A person's own page: roles in words, where they are signed in, ending that, and the language."""

from __future__ import annotations

import re

from tests.builders.console import Office


def test_a_person_sees_roles_and_unit_in_words(office: Office) -> None:
    page = office.signed_in("centre").get("/me")

    assert page.status == 200
    for words in ("centre", "执行委员会成员", "单位代表", "株洲市中小企业发展服务中心", "ZZ-0001"):
        assert words in page.text
    assert "Representative of a unit" in office.signed_in("centre", "en").get("/me").text


def test_staff_act_for_no_unit(office: Office) -> None:
    assert "不代表任何成员单位" in office.signed_in("clerk").get("/me").text


def test_a_person_signs_out_in_another_place(office: Office) -> None:
    # given the same person in two browsers
    there, here = office.visitor(), office.visitor()
    there.sign_in("renli")
    here.sign_in("renli")
    page = here.get("/me")
    ends = re.findall(r'action="(/me/sessions/[^"]+/end)"', page.html)
    assert "当前" in page.text
    assert len(ends) == 1, "the one at hand is ended by signing out"

    # when
    after = here.send(ends[0], follow=True)

    # then
    assert "那一处已经退出" in after.text
    assert "/end" not in after.html
    assert "renli" not in there.get("/me").text
    assert here.get("/me").status == 200


def test_a_session_that_is_none_is_refused_on_the_same_page(office: Office) -> None:
    visitor = office.visitor()
    visitor.sign_in("danbao")
    visitor.get("/me")

    page = visitor.send("/me/sessions/nobody/end")

    assert page.status == 404
    assert "danbao" in page.text
    assert 'id="faults"' in page.html


def test_signing_out_everywhere_is_asked_first(office: Office) -> None:
    there, here = office.visitor(), office.visitor()
    there.sign_in("kuaiji")
    here.sign_in("kuaiji")
    assert 'href="/me/sign-out-everywhere"' in here.get("/me").html

    question = here.get("/me/sign-out-everywhere")
    assert "在所有设备上退出？" in question.text
    after = here.send("/sign-out/everywhere", follow=True)

    assert "您已在所有设备上退出" in after.text
    assert here.get("/me").status in (303, 401)
    assert "kuaiji" not in there.get("/me").text


def test_the_language_is_chosen_here_too(office: Office) -> None:
    visitor = office.signed_in("centre")
    visitor.get("/me")

    page = visitor.send("/language", language="en", next="/me", follow=True)

    assert "My account" in page.text


def test_my_page_stands_while_membership_is_away(office: Office) -> None:
    visitor = office.signed_in("centre")
    with office.without("membership"):
        page = visitor.get("/me")

    assert page.status == 200
    assert "谭晓岚" in page.text
    assert "成员服务暂时连不上" in page.text


def test_visitors_are_asked_to_sign_in(office: Office) -> None:
    assert office.visitor().get("/me").location == "/sign-in?next=/me"
