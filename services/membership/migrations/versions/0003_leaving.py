"""Units leave: the roster entry gets an end, and stays. The database itself refuses to delete one or to end one twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.persistence.columns import Identifier, Json, Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LEFT_AS_ANNOUNCED = "left_at IS NULL OR (leaves_at IS NOT NULL AND left_at = leaves_at)"
_PRESENT_CREDIT_CODE = (
    "CASE WHEN left_at IS NULL THEN coalesce(present_credit_code, '') = coalesce(credit_code, '')"
    " ELSE present_credit_code IS NULL END"
)


def upgrade() -> None:
    """An end for roster entries, what was announced about it, and triggers that keep both."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        _alter_members()
    else:
        _make_members_anew()
    op.create_table(
        "leavings",
        sa.Column("leaving_id", Identifier, nullable=False),
        sa.Column("member_id", Identifier, nullable=False),
        sa.Column("pending_member_id", Identifier, nullable=True),
        sa.Column("announced_at", Utc(), nullable=False),
        sa.Column("announced_by", sa.String(length=20), nullable=False),
        sa.Column("announced_by_account", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("leaves_at", Utc(), nullable=False),
        sa.Column("correlation_id", sa.String(length=64), nullable=False),
        sa.Column("retracted_at", Utc(), nullable=True),
        sa.Column("retracted_by_account", sa.String(length=64), nullable=True),
        sa.Column("took_effect_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["members.member_id"], name="fk_leavings_member_id_members"),
        sa.PrimaryKeyConstraint("leaving_id", name="pk_leavings"),
        sa.UniqueConstraint("pending_member_id", name="uq_leavings_pending_member_id"),
    )
    op.create_index("ix_leavings_member_id", "leavings", ["member_id"])
    for statement in POSTGRESQL if is_postgresql else SQLITE:
        op.execute(sa.text(statement))


def downgrade() -> None:
    """Whoever has left would be a member again."""
    raise NotImplementedError("the roster keeps its ends")


def _alter_members() -> None:
    op.add_column("members", sa.Column("present_credit_code", sa.String(length=40), nullable=True))
    op.add_column("members", sa.Column("leaves_at", Utc(), nullable=True))
    op.add_column("members", sa.Column("left_at", Utc(), nullable=True))
    op.execute(sa.text("UPDATE members SET present_credit_code = credit_code"))
    op.drop_constraint("uq_members_credit_code", "members", type_="unique")
    op.create_unique_constraint("uq_members_present_credit_code", "members", ["present_credit_code"])
    op.create_check_constraint("ck_members_left_as_announced", "members", _LEFT_AS_ANNOUNCED)
    op.create_check_constraint("ck_members_present_credit_code", "members", _PRESENT_CREDIT_CODE)


def _make_members_anew() -> None:
    """SQLite takes no unique key away from a table: the rows are put aside, and into a new one."""
    # Offices and accounts refer to the rows: that is looked at when the migration ends, and then they are there again.
    op.execute(sa.text("PRAGMA defer_foreign_keys=ON"))
    op.execute(sa.text("CREATE TABLE members_aside AS SELECT * FROM members"))
    op.drop_table("members")
    op.create_table(
        "members",
        sa.Column("member_id", Identifier, nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("unit_name", sa.String(length=100), nullable=False),
        sa.Column("credit_code", sa.String(length=40), nullable=True),
        sa.Column("present_credit_code", sa.String(length=40), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("county", sa.String(length=40), nullable=False),
        sa.Column("profile", Json, nullable=False),
        sa.Column("admitted_at", Utc(), nullable=False),
        sa.Column("founding", sa.Boolean(), nullable=False),
        sa.Column("application_id", Identifier, nullable=True),
        sa.Column("ballot_id", sa.String(length=64), nullable=True),
        sa.Column("leaves_at", Utc(), nullable=True),
        sa.Column("left_at", Utc(), nullable=True),
        sa.CheckConstraint(
            "founding OR (application_id IS NOT NULL AND ballot_id IS NOT NULL)", name="ck_members_by_ballot"
        ),
        sa.CheckConstraint(_LEFT_AS_ANNOUNCED, name="ck_members_left_as_announced"),
        sa.CheckConstraint(_PRESENT_CREDIT_CODE, name="ck_members_present_credit_code"),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.application_id"], name="fk_members_application_id_applications"
        ),
        sa.PrimaryKeyConstraint("member_id", name="pk_members"),
        sa.UniqueConstraint("application_id", name="uq_members_application_id"),
        sa.UniqueConstraint("ballot_id", name="uq_members_ballot_id"),
        sa.UniqueConstraint("present_credit_code", name="uq_members_present_credit_code"),
        sa.UniqueConstraint("number", name="uq_members_number"),
    )
    kept = "member_id, number, unit_name, credit_code, kind, county, profile, admitted_at, founding, application_id, ballot_id"
    op.execute(
        sa.text(
            f"INSERT INTO members ({kept}, present_credit_code) SELECT {kept}, credit_code"  # noqa: S608 - names of ours
            " FROM members_aside ORDER BY rowid"
        )
    )
    op.drop_table("members_aside")
    op.create_index("ix_members_county", "members", ["county"])
    op.create_index("ix_members_kind", "members", ["kind"])


SQLITE = (
    """
    CREATE TRIGGER members_no_delete BEFORE DELETE ON members
    BEGIN SELECT RAISE(ABORT, 'roster: an entry stays for ever'); END
    """,
    # INSERT OR REPLACE deletes without asking the delete trigger; so a second row with the key is refused here.
    """
    CREATE TRIGGER members_once BEFORE INSERT ON members
    WHEN EXISTS (SELECT 1 FROM members WHERE member_id = NEW.member_id OR number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'roster: an entry is never replaced'); END
    """,
    """
    CREATE TRIGGER members_left_once BEFORE UPDATE ON members
    WHEN OLD.left_at IS NOT NULL AND NEW.left_at IS NOT OLD.left_at
    BEGIN SELECT RAISE(ABORT, 'roster: an end is set once'); END
    """,
)

POSTGRESQL = (
    """
    CREATE FUNCTION roster_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'roster: an entry stays for ever' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE FUNCTION roster_refuse_second_end() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.left_at IS NOT NULL AND NEW.left_at IS DISTINCT FROM OLD.left_at THEN
            RAISE EXCEPTION 'roster: an end is set once' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER members_no_delete BEFORE DELETE ON members
    FOR EACH ROW EXECUTE FUNCTION roster_refuse_delete()
    """,
    """
    CREATE TRIGGER members_no_truncate BEFORE TRUNCATE ON members
    FOR EACH STATEMENT EXECUTE FUNCTION roster_refuse_delete()
    """,
    """
    CREATE TRIGGER members_left_once BEFORE UPDATE ON members
    FOR EACH ROW EXECUTE FUNCTION roster_refuse_second_end()
    """,
    # ALWAYS: an ordinary trigger sleeps in a session that calls itself a replica.
    "ALTER TABLE members ENABLE ALWAYS TRIGGER members_no_delete",
    "ALTER TABLE members ENABLE ALWAYS TRIGGER members_no_truncate",
    "ALTER TABLE members ENABLE ALWAYS TRIGGER members_left_once",
)
