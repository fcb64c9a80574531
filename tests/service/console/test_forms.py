"""Who may have something changed: only a page of ours, for the very session that it was made for (every changing route)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from services.console.sealing import form_token
from tests.builders.console import ADDRESS, Office, Visitor

CHANGING = ("POST", "PUT", "PATCH", "DELETE")
STRANGER = form_token("0" * 64)


def changing_routes(office: Office) -> Iterator[tuple[str, str, bool]]:
    """Method, an address, and whether the address is a page as well."""
    console = office.alliance.console
    addresses = console.url_map.bind("alliance.example")
    for rule in console.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "x", re.sub(r"<any\(([^,)]+)[^>]*>", r"\1", rule.rule))
        for method in sorted(set(CHANGING) & (rule.methods or set())):
            yield method, path, addresses.test(path, "GET")


def sent(visitor: Visitor, method: str, path: str, token: str, **headers: str) -> TestResponse:
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": ADDRESS, **headers}
    return visitor.client.open(path, method=method, base_url=ADDRESS, data={"form_token": token}, headers=headers)


@pytest.fixture(scope="module")
def secretary(office: Office) -> Visitor:
    visitor = office.signed_in("secretary")
    visitor.get("/style")
    return visitor


@pytest.fixture(scope="module")
def token(secretary: Visitor) -> str:
    assert secretary.page is not None
    return secretary.page.value("form_token")


def test_there_is_something_to_be_changed(office: Office) -> None:
    assert len(list(changing_routes(office))) >= 3


def test_no_change_without_a_token_of_ours(office: Office, secretary: Visitor) -> None:
    for method, path, _ in changing_routes(office):
        for wrong in ("", "x", STRANGER, "\ud7ff" * 64, "0" * 10_000):
            assert sent(secretary, method, path, wrong).status_code == 403, f"{method} {path} {wrong[:8]!r}"


def test_no_change_with_a_token_of_another_session_or_visitor(office: Office, secretary: Visitor) -> None:
    others = [office.signed_in("treasurer"), office.signed_in("secretary"), office.visitor()]
    tokens = [other.get("/style").value("form_token") for other in others]

    for method, path, _ in changing_routes(office):
        for foreign in tokens:
            assert sent(secretary, method, path, foreign).status_code == 403, f"{method} {path}"


def test_no_change_with_a_token_from_before_the_sign_in(office: Office) -> None:
    visitor = office.visitor()
    stale = visitor.get("/style").value("form_token")
    visitor.take_session("secretary")

    for method, path, _ in changing_routes(office):
        assert sent(visitor, method, path, stale).status_code == 403, f"{method} {path}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://alliance.example.evil.example"},
    ],
)
def test_no_change_that_a_page_of_others_asks_for(
    office: Office, secretary: Visitor, token: str, headers: dict[str, str]
) -> None:
    for method, path, _ in changing_routes(office):
        assert sent(secretary, method, path, token, **headers).status_code == 403, f"{method} {path}"


def test_no_change_by_opening_an_address(office: Office, secretary: Visitor) -> None:
    for method, path, is_page in changing_routes(office):
        if not is_page:
            answer = secretary.client.get(path, base_url=ADDRESS)
            assert answer.status_code == 405, f"GET {path}"
            assert method in answer.headers["Allow"]


def test_words_of_others_are_not_offered_for_sending_again(office: Office, secretary: Visitor) -> None:
    answer = secretary.client.post(
        "/language",
        base_url=ADDRESS,
        data={"form_token": "x", "reason": "planted by a page elsewhere"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )

    assert answer.status_code == 403
    assert "planted" not in answer.get_data(as_text=True)


def test_words_of_our_own_page_are_kept_when_the_session_was_another(office: Office, secretary: Visitor) -> None:
    answer = secretary.client.post(
        "/language",
        base_url=ADDRESS,
        data={"form_token": "x", "reason": "typed for ten minutes"},
        headers={"Sec-Fetch-Site": "same-origin", "Origin": ADDRESS},
    )

    assert answer.status_code == 403
    assert "typed for ten minutes" in answer.get_data(as_text=True)
