"""The home page: what the alliance is, what waits for whom, what comes next; without the services that are away."""

from __future__ import annotations

import pytest

from tests.builders.admissions import COMMITTEE, Admitted, hand_in
from tests.builders.console import Office
from tests.builders.parked import body_of

BYTES_MAX = 100_000


def test_a_visitor_learns_what_the_alliance_is_and_how_to_join(office: Office) -> None:
    page = office.visitor().get("/")

    assert page.status == 200
    for words in ("株洲市企业服务联盟", "成员单位", "2026-01-08", "入会三步", "优质企业", "第六条（三）"):
        assert words in page.text
    for address in ("/apply", "/status", "/sign-in", "/charter", "/charter#article-6"):
        assert f'href="{address}"' in page.html


def test_home_speaks_english(office: Office) -> None:
    assert "Three steps to membership" in office.visitor("en").get("/").text
    assert "Waiting for you" in office.signed_in("centre", "en").get("/").text


def test_a_committee_member_finds_the_ballot_that_waits_until_the_vote_is_cast(office: Office) -> None:
    # given
    case = hand_in(office, unit_name="<script>alert(1)</script>醴陵检测有限公司")
    ballot = case.accept()
    member = office.signed_in(COMMITTEE[3])

    # when
    before = member.get("/")
    case.vote(ballot, COMMITTEE[3])
    after = member.get("/")

    # then
    assert f'class="button small primary" href="/ballots/{ballot}"' in before.html
    assert "<script>alert(1)</script>醴陵检测有限公司" in before.text, "a name is text"
    assert f'class="button small primary" href="/ballots/{ballot}"' not in after.html
    assert f'href="/ballots/{ballot}"' in after.html, "its deadline still comes"
    assert "您的单位已投" in after.text


def test_the_secretariat_finds_new_applications_and_answers_that_came(office: Office) -> None:
    fresh, answered = hand_in(office), hand_in(office)
    answered.answer(answered.ask())

    page = office.signed_in("clerk").get("/")

    assert fresh.unit_name in page.text
    assert answered.unit_name in page.text
    assert {"待核对", "已答复"} <= set(page.text.splitlines())
    assert f'href="{answered.page}"' in page.html
    assert fresh.unit_name not in office.signed_in("treasurer").get("/").text


def test_somebody_for_whom_nothing_waits_is_told_so(admitted: Admitted) -> None:
    page = admitted.office.signed_in("authority").get("/")

    assert "没有等您处理的事" in page.text
    assert "目前没有进行中的表决" in page.text
    assert f'href="/ballots/{admitted.vote}"' in page.html, "what was decided just happened"
    assert "通过" in page.text


def test_unread_notices_wait_and_the_latest_just_happened(admitted: Admitted) -> None:
    page = admitted.office.signed_in("secretary").get("/")

    assert "条未读通知" in page.text
    assert f"新成员入会：{admitted.case.unit_name}" in page.text
    assert f'href="{admitted.unit_page}"' in page.html


def test_an_operator_finds_events_that_were_set_aside(office: Office) -> None:
    event_id = f"home-{office.assembly.ids.new_id()}"
    consumer = office.alliance.assemblies["finance"].consumer()
    consumer.accept([body_of("said", id=event_id, subject=event_id)])

    assert "财务服务有" in office.signed_in("operator").get("/").text
    assert "搁置" not in office.signed_in("centre").get("/").text


@pytest.mark.parametrize(
    ("away", "missing", "there"),
    [
        ("membership", "2026-01-08", "接下来"),
        ("meetings", "接下来", "刚刚发生"),
        ("notifications", "条未读通知", "接下来"),
        ("finance", "财务服务有", "接下来"),
    ],
)
def test_a_service_that_is_away_is_named_and_leaves_its_part_out(
    admitted: Admitted, away: str, missing: str, there: str
) -> None:
    operator = admitted.office.signed_in("operator")
    with admitted.office.without(away):
        page = operator.get("/")

    assert page.status == 200
    assert "本页缺少一部分" in page.text
    assert missing not in page.text
    assert there in page.text
    assert "没有等您处理的事" not in page.text.splitlines(), "nobody can know that now"


def test_a_visitor_gets_a_page_while_membership_is_away(office: Office) -> None:
    with office.without("membership"):
        page = office.visitor().get("/")

    assert page.status == 200
    assert "成员服务暂时连不上" in page.text
    assert "还没有成立" not in page.text, "nobody can say so now"


def test_on_the_first_day_home_shows_the_way_to_found_an_alliance(first_day: Office) -> None:
    page = first_day.visitor().get("/")

    assert page.status == 200
    assert "联盟还没有成立" in page.text
    assert 'href="/founding"' in page.html
    assert "There is no alliance yet" in first_day.visitor("en").get("/").text


def test_home_weighs_little(admitted: Admitted) -> None:
    assert len(admitted.office.signed_in("secretary").get("/").response.get_data()) < BYTES_MAX
