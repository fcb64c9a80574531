"""The charter's values sorted under the articles they belong to, in words. Shows what meetings answers, decides nothing.

A value on which the charter's text is silent is marked as such: it is the platform's default, not the charter's word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.console.rulebook import word
from services.console.showing import has_text, language, say

Table = Mapping[str, Any]

#: Articles of the charter that the catalogue describes.
ARTICLES = 20
#: Where values are shown that carry no article of their own, or that two articles have in common.
ARTICLE_OF_APPLICANTS, ARTICLE_OF_INTERPRETATION = 6, 20


@dataclass(frozen=True)
class Point:
    """One value in force."""

    label: str
    value: str
    silent: bool
    cited: str = ""


@dataclass(frozen=True)
class Block:
    """Values that belong together; `names` are a list of the charter, with the article of each."""

    title: str = ""
    points: tuple[Point, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    #: The whole list or block is open in the charter's text.
    silent: bool = False
    #: Not in force, only at hand: the ready-made ways of counting.
    optional: bool = False

    @property
    def open_points(self) -> int:
        """How many of its values the charter's text leaves open."""
        return sum(point.silent for point in self.points) + (1 if self.silent else 0)


@dataclass
class Article:
    """An article with its blocks."""

    number: int
    blocks: list[Block] = field(default_factory=list)

    @property
    def is_described(self) -> bool:
        """Whether the catalogue has words for it."""
        return 1 <= self.number <= ARTICLES

    @property
    def open_points(self) -> int:
        """How many of its values the charter's text leaves open."""
        return sum(block.open_points for block in self.blocks)


def articles_of(charter: Table | None) -> list[Article]:
    """Every article, with the values of the version in force where there is one."""
    articles = {number: Article(number) for number in range(1, ARTICLES + 1)}
    if charter is not None:
        for number, block in _blocks(charter):
            articles.setdefault(number, Article(number)).blocks.append(block)
    return [articles[number] for number in sorted(articles)]


def fraction(numerator: int, denominator: int, *, inclusive: bool) -> str:
    """`三分之二以上（含本数）`; fractions without a name of their own in digits."""
    code = f"charter.fraction.{numerator}_{denominator}"
    share = say(code) if has_text(code) else f"{numerator}/{denominator}"
    return say("charter.or_more" if inclusive else "charter.more_than", share=share)


def _blocks(charter: Table) -> Iterator[tuple[int, Block]]:
    yield from _alliance(charter)
    yield from _lists(charter)
    yield from _seats(charter)
    yield from _settings(charter, "committee", ("term_years", "meetings_per_year_min", "callers_min"))
    yield from _secretariat(charter)
    for name, election in charter.get("elections", {}).items():
        yield _number(election["article"]), _worded("elections", name, election, ("body", "method", "ties"))
    yield from _voting(charter)
    for name, rule in charter.get("rules", {}).items():
        yield _number(rule["article"]), _rule(name, rule)
    presets = charter.get("presets") or {}
    if presets:
        points = tuple(Point(_name(each), _counted(each), silent=False) for each in presets.values())
        yield ARTICLE_OF_INTERPRETATION, Block(say("charter.presets"), points, optional=True)


def _alliance(charter: Table) -> Iterator[tuple[int, Block]]:
    table = charter["alliance"]
    values = {
        "name": _name(table),
        "registered": say(
            "charter.alliance.registered.yes" if table["registered"] else "charter.alliance.registered.no"
        ),
        "supervising_authority": _text(table["supervising_authority"]),
        "number_prefix": table["number_prefix"] or say("charter.none"),
    }
    points = tuple(
        Point(say(f"charter.alliance.{key}"), value, _is_silent(table, key)) for key, value in values.items()
    )
    yield _number(table["article"]), Block(points=points)


def _lists(charter: Table) -> Iterator[tuple[int, Block]]:
    kinds = charter["member_kinds"]
    founding = [each for each in kinds if each["founding"]]
    yield 1, _listed("founding_kinds", founding, silent=False)
    applying = [each for each in kinds if each["applies"]]
    named = [each for each in applying if not _is_silent(each, "applies")]
    yield ARTICLE_OF_APPLICANTS, _listed("applying_kinds", named, silent=False)
    if len(named) < len(applying):
        read_in = [each for each in applying if _is_silent(each, "applies")]
        yield ARTICLE_OF_APPLICANTS, _listed("applying_kinds_open", read_in, silent=True)
    for group in ("counties", "purposes", "funding_sources"):
        entries = charter[group]
        by_article: dict[int, list[Table]] = {}
        for each in entries:
            by_article.setdefault(_number(each["article"]), []).append(each)
        for number, some in by_article.items():
            yield number, _listed(group, some, silent=all(each.get("silent") is True for each in some))


def _listed(group: str, entries: list[Table], *, silent: bool) -> Block:
    names = tuple((_name(each), str(each["article"])) for each in entries)
    return Block(say(f"charter.{group}"), names=names, silent=silent)


def _seats(charter: Table) -> Iterator[tuple[int, Block]]:
    by_article: dict[int, list[Point]] = {}
    for seat in charter.get("seats", ()):
        elected_by = word("body", seat["elected_by"])
        value = say("charter.seat", count=seat["count"], body=elected_by)
        if seat.get("nominated_by"):
            value = say("charter.seat.nominated", seat=value, unit=_text(seat["nominated_by"]))
        silent = bool(seat.get("silent"))
        by_article.setdefault(_number(seat["article"]), []).append(Point(word("office", seat["office"]), value, silent))
    for number, points in by_article.items():
        yield number, Block(say("charter.seats"), tuple(points))


def _settings(charter: Table, group: str, keys: tuple[str, ...]) -> Iterator[tuple[int, Block]]:
    table = charter.get(group)
    if table:
        points = tuple(
            Point(
                say(f"charter.{group}.{key}"),
                say(f"charter.{group}.{key}.value", count=table[key]),
                _is_silent(table, key),
            )
            for key in keys
        )
        yield _number(table["article"]), Block(points=points)


def _secretariat(charter: Table) -> Iterator[tuple[int, Block]]:
    table = charter.get("secretariat")
    if table:
        values = {"host": _text(table["host"]), "secretaries_general": str(table["secretaries_general"])}
        points = tuple(
            Point(say(f"charter.secretariat.{key}"), value, _is_silent(table, key)) for key, value in values.items()
        )
        yield _number(table["article"]), Block(points=points)


def _voting(charter: Table) -> Iterator[tuple[int, Block]]:
    table = charter.get("voting")
    if table:
        weight = Point(
            say("charter.voting.weight"),
            say("charter.voting.weight.value", count=table["weight"]),
            _is_silent(table, "weight"),
        )
        rest = _worded("voting", "", table, ("vote_change", "notice", "proxies", "secrecy"))
        yield _number(table["article"]), Block(rest.title, (weight, *rest.points))


def _rule(name: str, rule: Table) -> Block:
    quorum = rule["quorum"]
    values = {
        "body": word("body", rule["body"]),
        "threshold": fraction(rule["numerator"], rule["denominator"], inclusive=rule["inclusive"]),
        "base": word("charter.base", rule["base"]),
        "quorum": say("charter.rule.quorum.off") if quorum == "off" else _counted(quorum),
        "minimum_yes": str(rule["minimum_yes"]),
        "voting_days": say("charter.rule.voting_days.value", count=rule["voting_days"]),
    }
    points = []
    for key, value in values.items():
        is_open = _is_silent(rule, key) or (key == "threshold" and _is_silent(rule, "inclusive"))
        points.append(Point(say(f"charter.rule.{key}"), value, is_open))
    return Block(
        word("charter.rules", name),
        (Point(say("charter.rule.article"), "", silent=False, cited=str(rule["article"])), *points),
    )


def _worded(group: str, name: str, table: Table, keys: tuple[str, ...]) -> Block:
    """A table whose values are words of the contract."""
    points = []
    for key in keys:
        value = str(table[key])
        shown = word("body", value) if key == "body" else word(f"charter.{group}.{key}", value)
        points.append(Point(say(f"charter.{group}.{key}"), shown, _is_silent(table, key)))
    return Block(word(f"charter.{group}.name", name) if name else say(f"charter.{group}"), tuple(points))


def _counted(table: Table) -> str:
    share = fraction(table["numerator"], table["denominator"], inclusive=table["inclusive"])
    return say("charter.counted", share=share, base=word("charter.base", table["base"]))


def _name(table: Table) -> str:
    return _text(table["name"])


def _text(by_language: Mapping[str, str]) -> str:
    return by_language.get(language()) or next(iter(by_language.values()), "")


def _number(article: str) -> int:
    return int(str(article).split("(")[0])


def _is_silent(table: Table, key: str) -> bool:
    points = table.get("silent", ())
    return points is True or (isinstance(points, list | tuple) and key in points)
