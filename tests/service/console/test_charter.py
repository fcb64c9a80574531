"""The charter's page: every article in our words, its values in force, and what the charter's text leaves open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.console.articles import Article, articles_of, fraction
from tests.builders.console import CHARTER, Office, founded_office


def section(html: str, number: int) -> str:
    """An article of the page."""
    found = re.search(rf'<section class="card" id="article-{number}".*?</section>', html, re.DOTALL)
    assert found is not None, f"article {number}"
    return found[0]


@contextmanager
def in_chinese(office: Office) -> Iterator[None]:
    """Where texts can be rendered without a page."""
    with office.alliance.console.test_request_context("/"):
        yield


def test_anybody_may_read_all_articles_and_every_one_can_be_linked_to(office: Office) -> None:
    page = office.visitor().get("/charter")

    assert page.status == 200
    for number in range(1, 21):
        assert f'href="#article-{number}"' in page.html
        assert section(page.html, number)
    assert "第 1 版" in page.text
    assert len(page.response.get_data()) < 100_000


def test_rules_stand_at_their_article_with_fractions_in_words(office: Office) -> None:
    html = office.visitor().get("/charter").html

    assert "超过二分之一（不含本数）" in section(html, 6)
    assert "二分之一以上（含本数）" in section(html, 6)
    assert "三分之二以上（含本数）" in section(html, 19)
    assert "全体成员" in section(html, 19)
    assert "有表决权的全部单位" in section(html, 20)


def test_lists_seats_and_terms_stand_at_their_article(office: Office) -> None:
    html = office.visitor().get("/charter").html

    assert "天元区" in section(html, 1)
    assert "政策通报" in section(html, 5)
    assert "优质企业" in section(html, 6)
    assert "4 名，由会员大会选举" in section(html, 9)
    assert "株洲市中小企业发展服务中心推荐" in section(html, 9)
    assert "4 年" in section(html, 10)
    assert "捐赠" in section(html, 18)


def test_what_the_charter_leaves_open_is_marked_and_what_it_says_is_not(office: Office) -> None:
    html = office.visitor().get("/charter").html

    assert "章程未写明" not in section(html, 10)
    assert "章程未写明" not in section(html, 18)
    threshold = re.findall(r"<dt>赞成须达到</dt>\s*<dd>(.*?)</dd>", section(html, 6), re.DOTALL)
    assert ["章程未写明" in each for each in threshold] == [True, False], (
        "the review's is ours, the vote's is the charter's"
    )


def test_the_charter_speaks_english(office: Office) -> None:
    page = office.visitor("en").get("/charter")

    assert "one half or more" in page.text
    assert "The charter is silent" in page.text


def test_while_meetings_is_away_the_articles_stand_without_values(office: Office) -> None:
    with office.without("meetings"):
        page = office.visitor().get("/charter")

    assert page.status == 200
    assert "会议服务暂时连不上" in page.text
    assert "章程还没有生效" not in page.text
    assert "优质企业" not in section(page.html, 6)


def test_before_a_charter_is_adopted_the_page_says_so(first_day: Office) -> None:
    page = first_day.visitor().get("/charter")

    assert page.status == 200
    assert "章程还没有生效" in page.text
    assert "章程未写明" not in page.text


def test_fractions_without_a_name_are_told_in_digits(office: Office) -> None:
    with in_chinese(office):
        assert fraction(3, 7, inclusive=True) == "3/7以上（含本数）"


def test_another_charter_may_have_other_articles_open_points_and_a_quorum(office: Office) -> None:
    given: dict[str, Any] = office.api.get("meetings/v1/charter")
    rules = given["rules"]
    changed = {
        **given,
        "seats": [{**given["seats"][0], "silent": True}],
        "rules": {
            "admission_vote": {
                **rules["admission_vote"],
                "quorum": {"numerator": 2, "denominator": 3, "inclusive": True, "base": "all_members"},
            },
            "of_their_own": {**rules["dissolution"], "article": "21(2)", "silent": ["inclusive"]},
        },
        "presets": None,
    }

    with in_chinese(office):
        articles = {article.number: article for article in articles_of(changed)}

    assert "全体成员的三分之二以上（含本数）" in values_of(articles[6])
    assert articles[21].open_points == 1
    assert not articles[21].is_described
    assert articles[9].open_points == 5
    assert not articles[20].blocks


def values_of(article: Article) -> list[str]:
    return [point.value for block in article.blocks for point in block.points]


# ------------------------------------------------------------ versions
def test_a_version_cited_by_a_result_can_be_read(office: Office) -> None:
    page = office.visitor().get("/charter/versions/1")

    assert page.status == 200
    assert "第 1 版" in page.text
    assert "不再有效" not in page.text
    assert office.visitor().get("/charter/versions/9").status == 404


def test_an_old_version_says_that_it_is_and_the_list_tells_since_when_each_is_in_force(tmp_path: Path) -> None:
    with founded_office(tmp_path) as office:
        changed = tmp_path / "charter.toml"
        text = CHARTER.read_text("utf-8")
        changed.write_text(re.sub(r"(?m)^voting_days = \d+", "voting_days = 21", text), "utf-8")
        assert changed.read_text("utf-8") != text
        assert office.alliance.run_command("meetings", "adopt-charter", [str(changed)]) == 0

        old, new = office.visitor().get("/charter/versions/1"), office.visitor().get("/charter")

    assert "这是章程第 1 版，已不再有效" in old.text
    assert "查看现行章程" in old.text
    assert "不再有效" not in new.text
    assert "历次版本" in new.text
    assert 'href="/charter/versions/1"' in new.html
