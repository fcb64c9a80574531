"""The ledger's tables, and the triggers by which the database itself keeps it: balanced, and never changed.

Both databases: postings are inserted first and their entry last; the entry seals them, and afterwards neither can be
changed, deleted or added to. PostgreSQL checks once more at the end of the transaction, because two transactions could
not see each other's rows before; SQLite has one writer at a time and needs no second look.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.persistence.columns import Identifier, Json, Utc

revision = "finance_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "charters",
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_charters"),
    )
    op.create_table(
        "accounts",
        sa.Column("account_id", Identifier, nullable=False),
        sa.Column("chart", sa.String(20), nullable=False),
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("account_class", sa.String(10), nullable=False),
        sa.Column("name", Json, nullable=False),
        sa.Column("article", sa.String(20)),
        sa.Column("control_code", sa.String(80)),
        sa.Column("is_control", sa.Boolean, nullable=False),
        sa.Column("is_money", sa.Boolean, nullable=False),
        sa.Column("charter_code", sa.String(80)),
        sa.Column("member_id", sa.String(200)),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("opened_at", Utc(), nullable=False),
        sa.Column("closed_at", Utc()),
        sa.PrimaryKeyConstraint("account_id", name="pk_accounts"),
        sa.UniqueConstraint("code", name="uq_accounts_code"),
        sa.UniqueConstraint("member_id", name="uq_accounts_member_id"),
        sa.CheckConstraint(
            "account_class IN ('asset', 'liability', 'net_assets', 'income', 'expense')",
            name=op.f("ck_accounts_account_class"),
        ),
        sa.CheckConstraint("currency = 'CNY'", name=op.f("ck_accounts_currency")),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.create_table(
        "entries",
        sa.Column("entry_id", Identifier, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("posted_on", sa.Date, nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("voucher", sa.String(100)),
        sa.Column("payment_kind", sa.String(20)),
        sa.Column("payment_voucher", sa.String(100)),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("total_fen", sa.BigInteger, nullable=False),
        sa.Column("posting_count", sa.Integer, nullable=False),
        sa.Column("posted_by", sa.String(200), nullable=False),
        sa.Column("posted_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_entries"),
        sa.UniqueConstraint("number", name="uq_entries_number"),
        sa.CheckConstraint("currency = 'CNY'", name=op.f("ck_entries_currency")),
        sa.CheckConstraint("total_fen > 0", name=op.f("ck_entries_total_fen")),
        sa.CheckConstraint("posting_count >= 2", name=op.f("ck_entries_posting_count")),
    )
    op.create_table(
        "postings",
        sa.Column("entry_id", Identifier, nullable=False),
        sa.Column("line", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("account_id", Identifier, nullable=False),
        sa.Column("amount_fen", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "line", name="pk_postings"),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["entries.entry_id"],
            name="fk_postings_entry_id_entries",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_postings_account_id_accounts"),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ck_postings_amount_fen")),
    )
    op.create_index("ix_postings_account_id", "postings", ["account_id"])
    for statement in POSTGRESQL if op.get_bind().dialect.name == "postgresql" else SQLITE:
        op.execute(sa.text(statement))


def downgrade() -> None:
    """A ledger is not taken down by a migration."""
    raise NotImplementedError("the ledger stays")


#: What an entry's postings must be at the moment it seals them.
_SEALS = """
    NEW.posting_count = (SELECT count(*) FROM postings WHERE entry_id = NEW.entry_id)
    AND 0 = (SELECT coalesce(sum(amount_fen), 1) FROM postings WHERE entry_id = NEW.entry_id)
    AND NEW.total_fen = (SELECT sum(amount_fen) FROM postings WHERE entry_id = NEW.entry_id AND amount_fen > 0)
"""

SQLITE = (
    f"""
    CREATE TRIGGER entries_seal BEFORE INSERT ON entries WHEN NOT ({_SEALS})
    BEGIN SELECT RAISE(ABORT, 'ledger: an entry must sum to zero and count its postings'); END
    """,
    # INSERT OR REPLACE deletes without asking the delete triggers; so a second row with the key is refused here.
    """
    CREATE TRIGGER entries_once BEFORE INSERT ON entries
    WHEN EXISTS (SELECT 1 FROM entries WHERE entry_id = NEW.entry_id OR number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'ledger: entries are never replaced'); END
    """,
    """
    CREATE TRIGGER postings_sealed BEFORE INSERT ON postings
    WHEN EXISTS (SELECT 1 FROM entries WHERE entry_id = NEW.entry_id)
      OR EXISTS (SELECT 1 FROM postings WHERE entry_id = NEW.entry_id AND line = NEW.line)
    BEGIN SELECT RAISE(ABORT, 'ledger: a posted entry takes no more postings'); END
    """,
    *(
        f"""
        CREATE TRIGGER {table}_no_{change} BEFORE {change} ON {table}
        BEGIN SELECT RAISE(ABORT, 'ledger: {table} are never changed'); END
        """
        for table in ("entries", "postings")
        for change in ("update", "delete")
    ),
)

POSTGRESQL = (
    """
    CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'ledger: % are never changed', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE FUNCTION ledger_refuse_late_posting() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM entries WHERE entry_id = NEW.entry_id) THEN
            RAISE EXCEPTION 'ledger: a posted entry takes no more postings'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    # Runs when the transaction ends, so it sees what others committed meanwhile.
    """
    CREATE FUNCTION ledger_check_entry() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        head entries%ROWTYPE;
        lines bigint;
        total numeric;
        debits numeric;
    BEGIN
        SELECT * INTO head FROM entries WHERE entry_id = NEW.entry_id;
        SELECT count(*), coalesce(sum(amount_fen), 0), coalesce(sum(amount_fen) FILTER (WHERE amount_fen > 0), 0)
            INTO lines, total, debits FROM postings WHERE entry_id = NEW.entry_id;
        IF head.entry_id IS NULL OR total <> 0 OR lines < 2
           OR lines <> head.posting_count OR debits <> head.total_fen THEN
            RAISE EXCEPTION 'ledger: an entry must sum to zero and count its postings'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    *(
        statement
        for table in ("entries", "postings")
        for statement in (
            f"""
            CREATE CONSTRAINT TRIGGER {table}_balance AFTER INSERT ON {table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_entry()
            """,
            f"""
            CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()
            """,
            f"""
            CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()
            """,
            # ALWAYS: an ordinary trigger sleeps in a session that calls itself a replica.
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_balance",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_change",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_truncate",
        )
    ),
    """
    CREATE TRIGGER postings_sealed BEFORE INSERT ON postings
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_late_posting()
    """,
    "ALTER TABLE postings ENABLE ALWAYS TRIGGER postings_sealed",
)
