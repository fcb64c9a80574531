"""What the tables of membership have in common."""

from __future__ import annotations

import sqlalchemy as sa

from shared.persistence.columns import new_metadata

METADATA = new_metadata()

#: SHA-256 in hexadecimal.
Digest = sa.String(64)
#: A ballot's identifier carries 256 bits and no time.
BallotId = sa.String(64)
