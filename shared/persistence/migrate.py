"""Migrations: brings a database to the schema its code expects, once, however many processes ask at a time.

Two Alembic histories run on every database: the kernel's (`shared/persistence/migrations`) and the service's.
Each keeps its revision in a table of its own, so that shared and services can change apart.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from shared.persistence.columns import kernel_metadata
from shared.persistence.database import Database

KERNEL_MIGRATIONS = Path(__file__).parent / "migrations"
KERNEL_VERSION_TABLE = "kernel_version"
SERVICE_VERSION_TABLE = "service_version"
#: Advisory lock under which migrations run; any number, as long as it is always the same.
MIGRATION_LOCK = 7_203_114_520
#: Version files speak to "the" current migration (`alembic.op`), which is one per process: services that migrate side by
#: side in the embedded mode would otherwise make each other's tables.
_one_at_a_time = threading.Lock()


def histories(service_root: Path) -> list[tuple[Path, str]]:
    """The migration folders of a service's database with their version tables, in the order they run."""
    return [(KERNEL_MIGRATIONS, KERNEL_VERSION_TABLE), (service_root / "migrations", SERVICE_VERSION_TABLE)]


def migrate(database: Database, service_root: Path) -> list[str]:
    """Upgrade to the newest revisions; returns what was applied. Safe to call from several processes at once."""
    applied: list[str] = []
    with database.engine.connect() as connection, connection.begin():
        if database.is_postgresql:
            # Held to the end of the transaction. The lock time-out must not fail the second of two starters.
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        for folder, version_table in histories(service_root):
            applied += _upgrade(connection, folder, version_table)
    return applied


def pending(database: Database, service_root: Path) -> list[str]:
    """The heads that the database has not reached; empty when its schema is the expected one."""
    missing: list[str] = []
    with database.connect(read_only=True) as connection, connection.begin():
        for folder, version_table in histories(service_root):
            head = _script(folder).get_current_head()
            context = MigrationContext.configure(connection, opts={"version_table": version_table})
            if head is not None and context.get_current_revision() != head:
                missing.append(f"{version_table}: {head}")
    return missing


def _script(folder: Path) -> ScriptDirectory:
    return ScriptDirectory(str(folder), output_encoding="utf-8")


def _upgrade(connection: sa.Connection, folder: Path, version_table: str) -> list[str]:
    script = _script(folder)
    applied: list[str] = []

    def steps(revision: object, _context: MigrationContext) -> object:
        upgrades = script._upgrade_revs("head", revision)  # type: ignore[arg-type]  # noqa: SLF001 - what alembic's own env.py uses
        applied.extend(step.revision.revision for step in upgrades)
        return upgrades

    context = MigrationContext.configure(
        connection,
        opts={"version_table": version_table, "fn": steps, "output_buffer": io.StringIO(), "script": script},
    )
    with _one_at_a_time, Operations.context(context):
        context.run_migrations()
    return applied


def all_metadata(service_metadata: sa.MetaData) -> list[sa.MetaData]:
    """What a migrated database must look like: the kernel's tables and the service's."""
    return [kernel_metadata, service_metadata]
