"""What must hold on every page there is, found by the routes themselves: rules for browsers, and answers while a service is away."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.builders.console import ADDRESS, Office, Page, Visitor

ROLES = ("secretary", "centre", "operator", "treasurer", "authority", None)
AWAY_WORDS = {"membership": "成员服务", "meetings": "会议服务", "finance": "财务服务", "notifications": "通知服务"}


def addresses(office: Office) -> list[str]:
    """Every address that is opened rather than sent to; ids that nobody has stand for those in it. Streams are left out."""
    found = []
    for rule in office.alliance.console.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.rule.endswith(("/live", "/<name>")):
            path = re.sub(r"<any\(([^,)]+)[^>]*>", r"\1", rule.rule)
            found.append(re.sub(r"<[^>]+>", "1", path))
    return sorted(set(found))


@pytest.fixture(scope="module")
def people(office: Office) -> list[Visitor]:
    return [office.visitor() if name is None else office.signed_in(name) for name in ROLES]


def looked_at(office: Office, people: list[Visitor]) -> Iterator[tuple[str, Page]]:
    for path in addresses(office):
        for visitor in people:
            yield path, Page(visitor.client.get(path, base_url=ADDRESS))


def test_there_are_pages(office: Office) -> None:
    assert len(addresses(office)) >= 25


def test_every_answer_to_everybody_carries_the_rules_for_browsers(office: Office, people: list[Visitor]) -> None:
    for path, page in looked_at(office, people):
        headers = page.response.headers
        policy = headers.get("Content-Security-Policy", "")
        rules = dict(part.strip().partition(" ")[::2] for part in policy.split(";") if part.strip())
        if path.startswith("/health") or path == "/metrics":
            continue  # for machines; they show nothing
        assert rules.get("default-src") == "'none'", path
        assert rules["script-src"] == rules["style-src"] == "'self'", path
        assert rules["base-uri"] == rules["frame-ancestors"] == rules["object-src"] == "'none'", path
        assert rules["form-action"] == "'self'", path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "same-origin", path
        assert headers["Cache-Control"] == "no-store", path


def test_no_page_holds_what_its_rules_forbid(office: Office, people: list[Visitor]) -> None:
    for path, page in looked_at(office, people):
        assert not re.search(r"<script(?![^>]*\ssrc=)", page.html), path
        assert not re.search(
            r"\s(style|on[a-z]+)=", re.sub(r"<(textarea|pre|code).*?</\1>", "", page.html, flags=re.DOTALL)
        ), path
        if page.status != 303:  # on to the sign-in page: the public address in words
            assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page.html), path


def test_nobody_is_shown_a_page_of_faults(office: Office, people: list[Visitor]) -> None:
    for path, page in looked_at(office, people):
        assert page.status < 500, path


@pytest.mark.parametrize("away", list(AWAY_WORDS))
def test_while_a_service_is_away_every_page_answers_and_what_is_missing_is_named(
    office: Office, people: list[Visitor], away: str
) -> None:
    named = 0
    with office.without(away):
        for path, page in looked_at(office, people):
            assert page.status in (200, 303, 400, 401, 403, 404, 503), f"{path}: {page.status}"
            if page.status == 503:
                assert AWAY_WORDS[away] in page.text, path
            named += AWAY_WORDS[away] + "暂时连不上" in page.text

    assert named > 0
