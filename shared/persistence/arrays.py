"""Lists of values as one parameter of a PostgreSQL statement, and statements that are compiled once.

A batch of 200 rows is one statement with an array per column. The driver would look at every value of every array by
itself, and SQLAlchemy compiles an INSERT … ON CONFLICT anew each time it runs: together a third of what a batch costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql


def array_of(item: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """The type of a parameter that holds values for a column of this type."""
    if isinstance(item, sa.JSON | sa.LargeBinary):
        # The driver's own way; no batch is full of these. One dimension: a document may itself be a list.
        return postgresql.ARRAY(item, dimensions=1)
    if isinstance(item, sa.String):
        # Without the column's length: a cast to it would cut what is too long, and say nothing.
        return _Literal(sa.Text())
    return _Literal(item)


class _Literal(sa.types.UserDefinedType[Any]):
    """An array in PostgreSQL's own notation, made at one go."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, item: sa.types.TypeEngine[Any]) -> None:
        self.item = item

    def get_col_spec(self, **_: Any) -> str:
        return f"{self.item.compile(dialect=postgresql.dialect())}[]"  # type: ignore[no-untyped-call]  # the library's

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], str]:
        one = self.item.dialect_impl(dialect).bind_processor(dialect)
        return literal if one is None else lambda values: literal([one(value) for value in values])


def literal(values: Sequence[Any]) -> str:
    """The values, which are texts, numbers, truths, days, instants or None, as PostgreSQL writes arrays."""
    try:
        joined = '","'.join(values)
    except TypeError:
        return "{" + ",".join(map(_item, values)) + "}"
    if values and "\\" not in joined and joined.count('"') == 2 * (len(values) - 1):
        return f'{{"{joined}"}}'
    return "{" + ",".join(map(_item, values)) + "}"


def _item(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, date):  # a datetime is one, too
        return f'"{value.isoformat()}"'
    return str(value)


def compiled_once(connection: sa.Connection, build: Callable[..., Any], *arguments: Any) -> Any:
    """`build(*arguments)` for this connection, compiled when first asked for; executed like a statement."""
    return _compiled(connection.dialect, build, arguments)


@lru_cache(maxsize=512)
def _compiled(dialect: sa.Dialect, build: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return build(*arguments).compile(dialect=dialect)
