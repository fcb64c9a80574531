"""Pages by cursor: a listing goes on where it stopped, however many rows came or went meanwhile.

    rows = reading.all(following(sa.select(members), members.c.number, cursor=cursor, limit=limit))
    return page(rows, limit, key=lambda row: (row.number,))

The cursor carries the sort key of the last row shown. It is no secret and grants nothing: the query behind it
decides who may see what. The key must be unique, so its last column is usually the id.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import marshmallow as ma
import sqlalchemy as sa
from marshmallow import fields, validate
from typing_extensions import override

from shared.errors import Invalid
from shared.runtime.clock import rfc3339
from shared.web.schemas import RequestSchema, ResponseSchema
from shared.web.validation import complain

LIMIT_DEFAULT = 20
LIMIT_MAX = 100
#: Longest cursor, in characters: three ids and a time fit several times.
CURSOR_LENGTH_MAX = 600

Position = tuple[str | int | datetime, ...]


class Cursor(fields.Field[Position]):
    """An opaque cursor, read into the sort key it stands for."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"type": "string", "description": "`next_cursor` of the page before"}, **kwargs)

    @override
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Position:
        position = decode_cursor(value) if isinstance(value, str) else None
        if position is None:
            raise complain("page.cursor_invalid")
        return position


class CursorQuery(RequestSchema):
    """Query of every listing; a listing with filters inherits from it."""

    cursor = Cursor(load_default=None)
    limit = fields.Integer(
        load_default=LIMIT_DEFAULT,
        validate=validate.Range(min=1, max=LIMIT_MAX),
        metadata={"description": "rows on the page"},
    )


def page(rows: Sequence[Any], limit: int, key: Callable[[Any], Position]) -> dict[str, Any]:
    """The answer of a listing from up to `limit` + 1 rows: one row too many means that there is a next page."""
    shown = rows[:limit]
    more = len(rows) > limit
    return {"items": [_plain(row) for row in shown], "next_cursor": encode_cursor(key(shown[-1])) if more else None}


def following(
    statement: sa.Select[Any],
    *columns: sa.ColumnElement[Any],
    cursor: Position | None,
    limit: int,
    descending: bool = False,
) -> sa.Select[Any]:
    """`statement` ordered by `columns`, from after the cursor, `limit` + 1 rows. Raises Invalid for a foreign cursor."""
    if cursor is not None:
        _ensure_fits(cursor, columns)
        here, there = (
            sa.tuple_(*columns),
            sa.tuple_(*(sa.literal(v, c.type) for v, c in zip(cursor, columns, strict=True))),
        )
        statement = statement.where(here < there if descending else here > there)
    return statement.order_by(*(column.desc() if descending else column.asc() for column in columns)).limit(limit + 1)


@cache
def page_schema(item: type[ma.Schema]) -> type[ma.Schema]:
    """The response schema of a page of `item`; one class per item, so the OpenAPI document names it once."""
    name = f"{item.__name__.removesuffix('Schema')}Page"
    return type(
        name,
        (ResponseSchema,),
        {
            "__module__": item.__module__,
            "items": fields.List(fields.Nested(item), required=True),
            "next_cursor": fields.String(required=True, allow_none=True),
        },
    )


def encode_cursor(position: Position) -> str:
    """Opaque text of a position."""
    plain = [{"t": rfc3339(part)} if isinstance(part, datetime) else part for part in position]
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode_cursor(text: str) -> Position | None:
    """The position, or None where the text is no cursor of ours."""
    if not text or len(text) > CURSOR_LENGTH_MAX:
        return None
    try:
        plain = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        if not isinstance(plain, list) or not 1 <= len(plain) <= 8:
            return None
        return tuple(_part(each) for each in plain)
    except (binascii.Error, ValueError, OverflowError, RecursionError):
        return None


def _part(value: Any) -> str | int | datetime:
    if isinstance(value, dict) and set(value) == {"t"} and isinstance(value["t"], str):
        instant = datetime.fromisoformat(value["t"])
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    if isinstance(value, str) and "\x00" not in value and value.isprintable():
        return value
    if type(value) is int and abs(value) < 2**63:
        return value
    raise ValueError("no part of a cursor")


def _ensure_fits(cursor: Position, columns: Sequence[sa.ColumnElement[Any]]) -> None:
    fits = len(cursor) == len(columns) and all(
        _fits(value, column.type) for value, column in zip(cursor, columns, strict=True)
    )
    if not fits:
        raise Invalid("page.cursor_invalid", field="cursor")


def _fits(value: str | int | datetime, kind: sa.types.TypeEngine[Any]) -> bool:
    if not isinstance(value, kind.python_type):
        return False
    # PostgreSQL's integer ends there, and a cursor made by hand must not end in a database error.
    small = isinstance(kind, sa.Integer) and not isinstance(kind, sa.BigInteger)
    return not (small and isinstance(value, int) and abs(value) >= 2**31)


def _plain(row: Any) -> Any:
    return row._mapping if isinstance(row, sa.Row) else row  # noqa: SLF001 - its documented interface
