"""The page at `/`: what it shows, in which language, and what it never does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from flask.testing import FlaskClient

from deploy.embedded.page import clock_time, landing_app
from deploy.embedded.showcase import Showcase, SignIns, View
from shared.runtime.texts import Texts

TEXTS = Texts.load([Path(__file__).parents[3] / "deploy" / "embedded" / "texts"])
NASTY = "<script>alert(1)</script>"


class FakeShowcase:
    """Shows what a test gives it."""

    def __init__(self, **content: Any) -> None:
        empty = {"alliance": "", "members": [], "kinds": {}, "counties": {}, "timeline": [], "notices": 0, "number": ""}
        self.content = View(**{**empty, **content})
        self.sign_ins: SignIns | None = None

    def view(self, _language: str) -> View:
        return self.content


@pytest.fixture
def visit() -> Callable[..., FlaskClient]:
    def make(showcase: FakeShowcase, *, alive: bool = True) -> FlaskClient:
        return landing_app(cast("Showcase", showcase), TEXTS, lambda: alive).test_client()

    return make


def story() -> FakeShowcase:
    member = {
        "number": "ZZ-0025",
        "unit_name": f"新单位{NASTY}",
        "kind": "service_institution",
        "county": "shifeng",
        "founding": False,
    }
    entry = {
        "at": "2026-01-08T01:02:03.456789Z",
        "service": "membership",
        "type": "membership.member.admitted",
        "title": f"新成员入会 {NASTY}",
        "article": "6(3)",
        "elapsed_ms": 304,
    }
    kinds, counties = {"service_institution": "优秀服务机构"}, {"shifeng": "石峰区"}
    return FakeShowcase(
        alliance="株洲市企业服务联盟",
        members=[member],
        kinds=kinds,
        counties=counties,
        timeline=[entry],
        number="ZZ-0025",
    )


def test_the_page_shows_story_roster_and_the_way_to_the_apis(visit: Callable[..., FlaskClient]) -> None:
    page = visit(story()).get("/").text

    for shown in (
        "株洲市企业服务联盟",
        "第六条（三）",
        "+304 ms",
        "09:02:03.456",
        "优秀服务机构",
        "石峰区",
        "表决通过",
    ):
        assert shown in page
    for service in ("membership", "meetings", "finance", "notifications"):
        assert f'href="/api/{service}/docs"' in page


@pytest.mark.parametrize(
    ("address", "language"), [("/", "zh-CN"), ("/?lang=en", "en"), ("/?lang=zh-CN", "zh-CN"), ("/?lang=xx", "zh-CN")]
)
def test_the_page_speaks_chinese_unless_asked_for_english(
    visit: Callable[..., FlaskClient], address: str, language: str
) -> None:
    page = visit(story()).get(address).text

    assert f'<html lang="{language}">' in page
    assert ("Timeline of an admission" in page) == (language == "en")


def test_what_members_write_is_text_and_never_markup(visit: Callable[..., FlaskClient]) -> None:
    page = visit(story()).get("/").text

    assert NASTY not in page
    assert page.count("&lt;script&gt;") == 2


def test_nothing_runs_and_nothing_is_loaded_from_elsewhere(visit: Callable[..., FlaskClient]) -> None:
    answer = visit(story()).get("/")

    assert "<script" not in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_without_the_demo_there_is_neither_roster_nor_sign_in(visit: Callable[..., FlaskClient]) -> None:
    page = visit(FakeShowcase()).get("/").text

    assert "联盟治理平台" in page
    assert 'id="roster"' not in page
    assert 'id="sign-ins"' not in page


def test_the_demos_sign_ins_are_shown(visit: Callable[..., FlaskClient]) -> None:
    showcase = story()
    showcase.sign_ins = SignIns("secretary", "lianmeng-demo", {"secretary": "sign_in.secretary"}, "of-the-applicant")

    page = visit(showcase).get("/").text

    assert "lianmeng-demo" in page
    assert "of-the-applicant" in page


def test_health_tells_whether_the_workers_live(visit: Callable[..., FlaskClient]) -> None:
    assert visit(FakeShowcase()).get("/health/ready").status_code == 200
    assert visit(FakeShowcase(), alive=False).get("/health/ready").status_code == 503


def test_an_unknown_address_is_a_problem_document(visit: Callable[..., FlaskClient]) -> None:
    answer = visit(FakeShowcase()).get("/api/nobody/v1/things")

    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_times_are_chinas() -> None:
    assert clock_time("2026-01-07T16:00:00Z") == "00:00:00.000"
