"""What the page can tell: read from the APIs, and less of it rather than nothing when one does not answer."""

from __future__ import annotations

from typing import Any

import httpx

from deploy.embedded.api_client import Api
from deploy.embedded.showcase import TOKEN_SECONDS, Showcase, SignIns
from shared.runtime.clock import ManualClock
from shared.runtime.identifiers import Identifiers
from tests.fixtures.assemblies import START

SIGN_INS = SignIns("secretary", "lianmeng-demo", {})


class FakeApis:
    """Answers by path; what is not there is a problem document."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {path.replace("__", "/"): answer for path, answer in answers.items()}
        self.asked: list[str] = []
        self.clock = ManualClock(START)

    def api(self) -> Api:
        def answer(request: httpx.Request) -> httpx.Response:
            path = request.url.path.removeprefix("/api/").replace("/v1", "")
            self.asked.append(path)
            if path in self.answers:
                return httpx.Response(200, json=self.answers[path])
            return httpx.Response(503, json={"code": "service.unavailable", "detail": "not now"})

        http = httpx.Client(base_url="http://alliance.example", transport=httpx.MockTransport(answer))
        return Api(http, self.clock, Identifiers(self.clock), "en")


def apis(**more: Any) -> FakeApis:
    return FakeApis(
        membership__sessions={"access_token": "token"},
        membership__alliance={"name": "联盟"},
        membership__members={"items": [{"number": "ZZ-0001"}]},
        meetings__charter={"member_kinds": [{"code": "x", "name": {"en": "X", "zh-CN": "甲"}}], "counties": []},
        **more,
    )


def test_the_page_shows_roster_and_story_in_its_language() -> None:
    showcase = Showcase(
        apis(notifications__timelines__thread={"entries": [{"type": "a.b.c", "data": {}}]}).api(), SIGN_INS
    )
    showcase.show_admission("thread", "ZZ-0025")

    view = showcase.view("zh-CN")

    assert (view.alliance, view.number, view.kinds) == ("联盟", "ZZ-0025", {"x": "甲"})
    assert [member["number"] for member in view.members] == ["ZZ-0001"]
    assert len(view.timeline) == 1


def test_a_service_that_does_not_answer_leaves_the_rest() -> None:
    showcase = Showcase(apis().api(), SIGN_INS)
    showcase.show_admission("thread", "ZZ-0025")

    view = showcase.view("en")

    assert view.timeline == []
    assert len(view.members) == 1


def test_without_sign_ins_only_public_things_are_asked_for() -> None:
    fakes = apis()

    view = Showcase(fakes.api()).view("en")

    assert view.members == []
    assert set(fakes.asked) == {"meetings/charter", "membership/alliance"}


def test_the_sign_in_is_kept_for_half_a_tokens_life() -> None:
    fakes = apis()
    showcase = Showcase(fakes.api(), SIGN_INS)

    showcase.view("en")
    showcase.view("en")
    assert fakes.asked.count("membership/sessions") == 1

    fakes.clock.advance(TOKEN_SECONDS)
    showcase.view("en")
    assert fakes.asked.count("membership/sessions") == 2
