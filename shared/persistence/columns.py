"""Column types and table metadata that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

#: Constraint names must be the same in every database, or migrations could not name what they change.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def new_metadata() -> sa.MetaData:
    """Empty metadata with the house's naming convention."""
    return sa.MetaData(naming_convention=NAMING_CONVENTION)


#: Tables that every service's database has: outbox, inbox, idempotency keys, verification keys.
kernel_metadata = new_metadata()

#: Width of an identifier: a UUID in its canonical form.
Identifier = sa.String(36)


class Utc(sa.types.TypeDecorator[datetime]):
    """An instant. Aware UTC datetimes in and out; `timestamptz` on PostgreSQL, sortable text on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What comes out; SQLAlchemy does not ask the type underneath."""
        return datetime

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Text of fixed width on SQLite, so that comparing text compares time."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(27))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """Refuses naive datetimes: nobody can say what instant they mean."""
        if value is None:
            return None
        assert value.tzinfo is not None, "a stored instant must be aware"
        instant = value.astimezone(UTC)
        return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if dialect.name == "sqlite" else instant

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - the base class's signature
        """Aware, in UTC."""
        if value is None:
            return None
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        assert isinstance(instant, datetime)
        return instant.astimezone(UTC)


#: A JSON document; indexable on PostgreSQL.
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
#: A 64-bit integer key that counts up by itself on both databases (SQLite autoincrements only INTEGER).
CountingKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
