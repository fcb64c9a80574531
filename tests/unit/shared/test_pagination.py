"""Cursors: they carry a position and nothing else; a strange one is refused, not trusted."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from marshmallow import ValidationError, fields

from shared.errors import Invalid
from shared.persistence.columns import Utc, new_metadata
from shared.web.pagination import CursorQuery, decode_cursor, encode_cursor, following, page, page_schema
from shared.web.schemas import ResponseSchema

START = datetime(2026, 3, 2, tzinfo=UTC)
things = sa.Table(
    "things", new_metadata(), sa.Column("id", sa.String(10), primary_key=True), sa.Column("at", Utc(), nullable=False)
)


class ThingView(ResponseSchema):
    """A thing."""

    id = fields.String(required=True)


def cursor_of(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("position", [("a",), (7, "a"), (START, "b"), (START + timedelta(microseconds=1), -3, "株洲")])
def test_a_cursor_brings_back_its_position(position: tuple[Any, ...]) -> None:
    assert decode_cursor(encode_cursor(position)) == position


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "!!!", "AAAA", "株洲", " ", "a" * 601, cursor_of({}), cursor_of([]), cursor_of("a"), cursor_of([None]),
        cursor_of([1.5]), cursor_of([True]), cursor_of([[1]]), cursor_of([{"t": "2026-01-01T00:00:00"}]),
        cursor_of([{"t": "0001-01-01T00:00:00+10:00"}]), cursor_of([{"t": 1}]), cursor_of([{"t": "x"}]), cursor_of([{"u": 1}]), cursor_of(["a\x00"]), cursor_of([2**63]),
        cursor_of(list(range(9))), cursor_of(["\ud800"]), base64.urlsafe_b64encode(b"[" * 300).decode(),
    ],
)  # fmt: skip
def test_a_strange_cursor_is_refused_with_the_field_named(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        CursorQuery().load({"cursor": text})

    assert refused.value.messages == {"cursor": ["page.cursor_invalid"]}


@pytest.mark.parametrize("limit", ["0", "-1", "101", "x", "1.5", "", "9" * 30])
def test_a_page_has_one_to_a_hundred_rows(limit: str) -> None:
    with pytest.raises(ValidationError):
        CursorQuery().load({"limit": limit})


def test_the_first_page_has_twenty_rows_unless_asked_otherwise() -> None:
    assert CursorQuery().load({}) == {"cursor": None, "limit": 20}
    assert CursorQuery().load({"limit": "100"})["limit"] == 100


@pytest.mark.parametrize("position", [("a",), (START, "a", "b"), ("a", START), (1, "a")])
def test_a_cursor_of_another_listing_is_refused(position: tuple[Any, ...]) -> None:
    with pytest.raises(Invalid) as refused:
        following(sa.select(things), things.c.at, things.c.id, cursor=position, limit=5)

    assert (refused.value.code, refused.value.field) == ("page.cursor_invalid", "cursor")


def test_a_number_that_the_column_cannot_hold_is_refused_instead_of_asked_for() -> None:
    counted = sa.Table("counted", new_metadata(), sa.Column("small", sa.Integer), sa.Column("large", sa.BigInteger))

    following(sa.select(counted), counted.c.large, cursor=(2**62,), limit=5)
    with pytest.raises(Invalid) as refused:
        following(sa.select(counted), counted.c.small, cursor=(2**62,), limit=5)

    assert refused.value.field == "cursor"


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_pages_show_every_row_once_though_rows_come_and_go(order: str) -> None:
    descending = order == "descending"
    # given rows of which several share their time
    engine = sa.create_engine("sqlite://")
    things.metadata.create_all(engine)
    with engine.begin() as connection:
        rows = [{"id": f"t{n:02}", "at": START + timedelta(seconds=n // 4)} for n in range(23)]
        connection.execute(sa.insert(things), rows)

        # when they are read page by page, while a row already shown goes and one before it comes
        seen: list[str] = []
        cursor = None
        while True:
            statement = following(
                sa.select(things), things.c.at, things.c.id, cursor=cursor, limit=5, descending=descending
            )
            found = page(connection.execute(statement).all(), 5, key=lambda row: (row.at, row.id))
            seen += [item["id"] for item in found["items"]]
            if len(seen) == 5:
                connection.execute(sa.delete(things).where(things.c.id == seen[0]))
                early = START + timedelta(hours=1 if descending else -1)
                connection.execute(sa.insert(things).values(id="new", at=early))
            if found["next_cursor"] is None:
                break
            cursor = decode_cursor(found["next_cursor"])
    engine.dispose()

    # then
    assert seen == sorted((str(row["id"]) for row in rows), reverse=descending)


def test_the_last_full_page_has_no_next_one() -> None:
    assert page([1, 2], 2, key=lambda row: (row,))["next_cursor"] is None
    assert page([1, 2, 3], 2, key=lambda row: (row,)) == {"items": [1, 2], "next_cursor": encode_cursor((2,))}
    assert page([], 2, key=lambda row: (row,)) == {"items": [], "next_cursor": None}


def test_there_is_one_page_schema_per_item() -> None:
    assert page_schema(ThingView) is page_schema(ThingView)
    assert page_schema(ThingView).__name__ == "ThingViewPage"
    assert page_schema(ThingView)().dump({"items": [{"id": "a", "x": 1}], "next_cursor": None}) == {
        "items": [{"id": "a"}],
        "next_cursor": None,
    }
