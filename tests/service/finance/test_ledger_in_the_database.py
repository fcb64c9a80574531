"""The database itself keeps the ledger, against a bug and against a hand that reaches past the application."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import sqlalchemy as sa

from services.finance import tables
from shared.persistence.unit_of_work import UnitOfWork
from tests.service.finance.driver import Finance


def write(house: Finance, *statements: str | sa.Executable) -> None:
    """Run statements in one transaction, past every rule of the application."""
    with house.assembly.begin() as work:
        for statement in statements:
            work.execute(sa.text(statement) if isinstance(statement, str) else statement)


def insert_entry(
    work: UnitOfWork,
    house: Finance,
    amounts: Iterable[int],
    *,
    entry_id: str = "e-1",
    count: int | None = None,
    total: int | None = None,
) -> None:
    """Postings and their seal as given, whatever they sum to."""
    accounts, lines = list(house.ids_by_code().values()), list(amounts)
    for line, amount in enumerate(lines, start=1):
        work.execute(
            sa.insert(tables.postings).values(
                entry_id=entry_id, line=line, account_id=accounts[line], amount_fen=amount
            )
        )
    work.execute(
        sa.insert(tables.entries).values(
            entry_id=entry_id,
            number=len(house.rows(tables.entries)) + 1,
            posted_on=work.now.date(),
            description="by hand",
            currency="CNY",
            total_fen=sum(each for each in lines if each > 0) if total is None else total,
            posting_count=len(lines) if count is None else count,
            posted_by="nobody",
            posted_at=work.now,
        )
    )


def write_entry(house: Finance, amounts: Iterable[int], prelude: Iterable[str] = ()) -> None:
    """`insert_entry` in a transaction of its own."""
    with house.assembly.begin() as work:
        for each in prelude:
            work.execute(sa.text(each))
        insert_entry(work, house, amounts)


def test_a_balanced_entry_goes_in(house: Finance) -> None:
    with house.assembly.begin() as work:
        insert_entry(work, house, [5, -5])

    assert len(house.rows(tables.postings)) == 2


@pytest.mark.parametrize(
    ("amounts", "options"),
    [
        ([5, -4], {}),
        ([5, 5], {}),
        ([5], {"count": 2}),
        ([], {"count": 2, "total": 5}),
        ([5, -5, 1], {"count": 2, "total": 5}),
        ([5, -5], {"count": 3}),
        ([5, -5], {"total": 6}),
        ([5, -5], {"count": 1}),
        ([0, 0], {"total": 1}),
    ],
)
def test_an_entry_that_does_not_balance_is_refused_by_the_database(house: Finance, amounts, options) -> None:
    with pytest.raises(sa.exc.DBAPIError), house.assembly.begin() as work:
        insert_entry(work, house, amounts, **options)

    assert house.rows(tables.postings) == house.rows(tables.entries) == []


def test_postings_without_an_entry_do_not_survive_the_transaction(house: Finance) -> None:
    account = house.ids_by_code()["1002"]
    posting = sa.insert(tables.postings).values(entry_id="lost", line=1, account_id=account, amount_fen=5)

    with pytest.raises(sa.exc.DBAPIError):
        write(house, posting)

    assert house.rows(tables.postings) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE postings SET amount_fen = amount_fen * 2",
        "UPDATE postings SET account_id = account_id",
        "UPDATE entries SET description = 'other'",
        "UPDATE entries SET total_fen = 1",
        "DELETE FROM postings",
        "DELETE FROM entries",
    ],
)
def test_what_is_posted_is_never_changed(house: Finance, statement: str) -> None:
    house.post_entry(("1002", 100), ("4101.donations", -100))
    before = house.rows(tables.postings), house.rows(tables.entries)

    with pytest.raises(sa.exc.DBAPIError):
        write(house, statement)

    assert (house.rows(tables.postings), house.rows(tables.entries)) == before


def test_a_posted_entry_takes_no_more_postings_not_even_balanced_ones(house: Finance) -> None:
    with house.assembly.begin() as work:
        insert_entry(work, house, [5, -5])
    accounts = list(house.ids_by_code().values())
    more = [
        sa.insert(tables.postings).values(entry_id="e-1", line=line, account_id=accounts[line], amount_fen=amount)
        for line, amount in ((3, 7), (4, -7))
    ]

    with pytest.raises(sa.exc.DBAPIError):
        write(house, *more)

    assert len(house.rows(tables.postings)) == 2


def test_replacing_is_deleting_and_is_refused(house: Finance, database: str) -> None:
    if database != "sqlite":
        pytest.skip("INSERT OR REPLACE is SQLite's")
    with house.assembly.begin() as work:
        insert_entry(work, house, [5, -5])

    for statement in (
        "INSERT OR REPLACE INTO postings SELECT entry_id, line, account_id, 9 FROM postings WHERE line = 1",
        "INSERT OR REPLACE INTO entries SELECT * FROM entries",
    ):
        with pytest.raises(sa.exc.DBAPIError):
            write(house, statement)

    assert [row["amount_fen"] for row in house.rows(tables.postings)] == [5, -5]


@pytest.mark.parametrize("prelude", [(), ("SET LOCAL session_replication_role = replica",)])
def test_truncating_is_refused_and_no_session_setting_opens_a_way_around(
    house: Finance, database: str, prelude: tuple[str, ...]
) -> None:
    if database != "postgresql":
        pytest.skip("SQLite has no TRUNCATE and no replica role")
    house.post_entry(("1002", 100), ("4101.donations", -100))

    for statement in ("TRUNCATE postings, entries", "DELETE FROM postings", "UPDATE entries SET total_fen = 1"):
        with pytest.raises(sa.exc.DBAPIError):
            write(house, *prelude, statement)
    with pytest.raises(sa.exc.DBAPIError):
        write_entry(house, [5, -4], prelude)

    assert len(house.rows(tables.postings)) == 2


def test_two_transactions_cannot_share_an_entry(house: Finance, database: str) -> None:
    if database != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    accounts = list(house.ids_by_code().values())

    def add_to_what_another_posts_meanwhile() -> None:
        with house.assembly.begin() as late:
            # given a transaction that adds a balanced pair under an id it saw nobody use
            for line, amount in ((3, 7), (4, -7)):
                late.execute(
                    sa.insert(tables.postings).values(
                        entry_id="e-1", line=line, account_id=accounts[line], amount_fen=amount
                    )
                )
            # when another one posts that entry first
            write_entry(house, [5, -5])

    with pytest.raises(sa.exc.DBAPIError):
        add_to_what_another_posts_meanwhile()

    # then the late one is refused at its end
    assert len(house.rows(tables.postings)) == 2


def test_the_triggers_are_there_after_the_migration(house: Finance, database: str) -> None:
    listed = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if database == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
    )
    with house.assembly.reading() as reading:
        names = {row[0] for row in reading.all(sa.text(listed))}

    expected = (
        {"entries_seal", "entries_once", "postings_sealed"}
        | {f"{table}_no_{change}" for table in ("entries", "postings") for change in ("update", "delete")}
        if database == "sqlite"
        else {"postings_sealed"}
        | {f"{table}_{what}" for table in ("entries", "postings") for what in ("balance", "no_change", "no_truncate")}
    )
    assert expected <= names
