"""The tables of finance and nothing else.

The migration adds what metadata cannot say: triggers by which the database itself refuses an entry that does not sum
to zero, and any change of an entry once it is posted. Postings are written before their entry; the entry seals them.
"""

from __future__ import annotations

import sqlalchemy as sa

from shared.persistence.columns import Identifier, Json, Utc, new_metadata

METADATA = new_metadata()

# Versions of the charter seen; the newest decides which funding sources and purposes are open.
charters = sa.Table(
    "charters",
    METADATA,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("received_at", Utc(), nullable=False),
)

accounts = sa.Table(
    "accounts",
    METADATA,
    sa.Column("account_id", Identifier, primary_key=True),
    sa.Column("chart", sa.String(20), nullable=False),
    sa.Column("code", sa.String(80), nullable=False, unique=True),
    sa.Column("account_class", sa.String(10), nullable=False),
    sa.Column("name", Json, nullable=False),
    sa.Column("article", sa.String(20)),
    sa.Column("control_code", sa.String(80)),
    sa.Column("is_control", sa.Boolean, nullable=False),
    sa.Column("is_money", sa.Boolean, nullable=False),
    sa.Column("charter_code", sa.String(80)),
    # Unique: one account per member, however often and from wherever the admission is told.
    sa.Column("member_id", sa.String(200), unique=True),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("opened_at", Utc(), nullable=False),
    sa.Column("closed_at", Utc()),
    sa.CheckConstraint(
        "account_class IN ('asset', 'liability', 'net_assets', 'income', 'expense')", name="account_class"
    ),
    sa.CheckConstraint("currency = 'CNY'", name="currency"),
)

# Counted in a row instead of a database sequence: a rolled back entry gives its number back, so there are no gaps that
# look like something was taken out.
counters = sa.Table(
    "counters",
    METADATA,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

entries = sa.Table(
    "entries",
    METADATA,
    sa.Column("entry_id", Identifier, primary_key=True),
    # The place in the ledger, from 1.
    sa.Column("number", sa.BigInteger, nullable=False, unique=True),
    sa.Column("posted_on", sa.Date, nullable=False),
    sa.Column("description", sa.String(500), nullable=False),
    sa.Column("voucher", sa.String(100)),
    sa.Column("payment_kind", sa.String(20)),
    sa.Column("payment_voucher", sa.String(100)),
    sa.Column("currency", sa.String(3), nullable=False),
    # Sealed with the entry, so that a posting slipped in later is noticed by the database.
    sa.Column("total_fen", sa.BigInteger, nullable=False),
    sa.Column("posting_count", sa.Integer, nullable=False),
    sa.Column("posted_by", sa.String(200), nullable=False),
    sa.Column("posted_at", Utc(), nullable=False),
    sa.CheckConstraint("currency = 'CNY'", name="currency"),
    sa.CheckConstraint("total_fen > 0", name="total_fen"),
    sa.CheckConstraint("posting_count >= 2", name="posting_count"),
)

postings = sa.Table(
    "postings",
    METADATA,
    # Deferred: postings come first and the entry seals them; at the end of the transaction it must be there.
    sa.Column(
        "entry_id",
        Identifier,
        sa.ForeignKey("entries.entry_id", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    ),
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("account_id", Identifier, sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("amount_fen", sa.BigInteger, nullable=False),
    sa.CheckConstraint("amount_fen <> 0", name="amount_fen"),
)
