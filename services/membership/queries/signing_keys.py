"""The public halves of the signing keys (RFC 7517), those announced and not yet signing included."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.membership import tables
from shared.persistence.unit_of_work import Reading


def get_key_set(reading: Reading) -> dict[str, Any]:
    """The JWK Set: every key whose tokens may be met now or soon."""
    table = tables.signing_keys
    current = sa.select(table.c.public_jwk).where(table.c.retired_at.is_(None)).order_by(table.c.created_at)
    return {"keys": [row.public_jwk for row in reading.all(current)]}
