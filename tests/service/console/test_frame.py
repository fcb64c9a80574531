"""The frame of every page: who is signed in, both languages, rules for browsers, and what failures look like."""

from __future__ import annotations

from tests.builders.console import Office


def test_a_visitor_sees_what_visitors_can_do(office: Office) -> None:
    page = office.visitor().get("/")

    assert page.status == 200
    assert "申请入会" in page.text
    assert "登录" in page.text


def test_a_signed_in_person_sees_the_pages_of_the_role(office: Office) -> None:
    page = office.signed_in("secretary").get("/")

    assert page.status == 200
    assert "入会申请" in page.text
    assert "退出" in page.text
    assert "运维" not in page.text


def test_the_style_page_shows_every_component_in_both_languages(office: Office) -> None:
    assert "执行委员会审查通过" in office.visitor().get("/style").text
    assert "The executive committee approved" in office.visitor("en").get("/style").text


def test_the_language_can_be_chosen_and_stays(office: Office) -> None:
    visitor = office.visitor()
    visitor.get("/style")

    page = visitor.send("/language", language="en", next="/style", follow=True)

    assert "Every component" in page.text
    assert visitor.get("/").html.startswith('<!doctype html>\n<html lang="en">')


def test_every_page_carries_the_rules_for_browsers(office: Office) -> None:
    headers = office.visitor().get("/").response.headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_what_is_not_there_is_said_in_a_page(office: Office) -> None:
    page = office.visitor().get("/nowhere")

    assert page.status == 404
    assert "没有这一页" in page.text
