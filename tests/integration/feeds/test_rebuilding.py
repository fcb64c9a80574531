"""Derived tables made anew from the feeds: equal to the live ones, row for row, or the difference named and mended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from services.finance.tables import accounts
from services.meetings.tables import ballots, offices, roll_entries, units
from services.membership.commands.leaving import Announcement, announce_leaving
from services.notifications.tables import archive, subscription_patterns, subscriptions
from shared.errors import Conflict
from shared.messaging.feed import Page
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox
from shared.messaging.rebuilding import SHOWN_MAX, Rebuilt
from shared.runtime.assembly import Assembly
from shared.runtime.feeds import rebuild_projections, services_heard
from tests.deployment.addresses import SERVICES
from tests.integration.feeds.alliance import Bus


@pytest.fixture
def alliance(without_test_key: Bus) -> Bus:
    return without_test_key


def rebuilt(bus: Bus, service: str, *, swap: bool = False, **options: Any) -> Rebuilt:
    assembly = bus.assemblies[service]
    feeds = bus.feeds(*services_heard(assembly))
    return rebuild_projections(assembly, feeds, swap=swap, report=lambda _numbers: None, **options)


def rows(assembly: Assembly, table: sa.Table) -> list[dict[str, Any]]:
    with assembly.reading() as reading:
        return [row._asdict() for row in reading.all(sa.select(table).order_by(*table.primary_key.columns))]


def change(assembly: Assembly, statement: sa.Executable) -> None:
    with assembly.begin() as work:
        work.execute(statement)


@pytest.mark.parametrize("service", SERVICES)
def test_a_rebuilt_projection_equals_the_live_one_row_for_row(alliance: Bus, service: str) -> None:
    found = rebuilt(alliance, service)

    assert found.differences == []
    assert found.is_whole
    assert found.waiting == 0
    assert found.played > 0


def test_what_was_compared_is_what_an_alliance_of_fifteen_has(alliance: Bus) -> None:
    """The test above must not be green because nothing was there."""
    assert len(rows(alliance.assemblies["meetings"], units)) == 15
    assert len(rows(alliance.assemblies["meetings"], offices)) >= 7
    assert len(rows(alliance.assemblies["finance"], accounts)) > 15
    assert len(rows(alliance.assemblies["notifications"], archive)) > 45


def test_what_follows_from_a_leaving_is_rebuilt_as_it_stands(alliance: Bus) -> None:
    """Ends of units, offices and accounts come of events too (art. 7(3))."""
    membership, meetings, finance = (alliance.assemblies[name] for name in ("membership", "meetings", "finance"))
    unit_id = rows(meetings, offices)[0]["unit_id"]
    with membership.begin() as work:
        announce_leaving(work, unit_id, Announcement("representative", "somebody"))
    alliance.settle()

    found = {service: rebuilt(alliance, service) for service in SERVICES}

    assert {service: each.differences for service, each in found.items()} == {service: [] for service in SERVICES}
    assert [each["unit_id"] for each in rows(meetings, units) if each["left_at"]] == [unit_id]
    assert [each["member_id"] for each in rows(finance, accounts) if each["closed_at"]] == [unit_id]


def test_a_lost_a_changed_and_an_invented_row_are_named_and_mended(alliance: Bus) -> None:
    # given a roll in which one office is gone, one unit renamed, and one unit that was never admitted
    meetings = alliance.assemblies["meetings"]
    before = {table: rows(meetings, table) for table in (units, offices)}
    office, unit = before[offices][0]["office_id"], before[units][3]["unit_id"]
    change(meetings, sa.delete(offices).where(offices.c.office_id == office))
    change(meetings, sa.update(units).where(units.c.unit_id == unit).values(unit_name="another"))
    invented = {**before[units][0], "unit_id": "invented", "number": "ZZ-9999"}
    change(meetings, sa.insert(units).values(invented))

    # when it is rebuilt without and then with mending
    named = rebuilt(alliance, "meetings")
    untouched = rows(meetings, units)
    mended = rebuilt(alliance, "meetings", swap=True)

    # then the three are named, nothing changed before it was asked for, and everything is as it was
    assert {(each.table, each.kind, each.key) for each in named.differences} == {
        ("offices", "missing", office),
        ("units", "changed", unit),
        ("units", "extra", "invented"),
    }
    [changed] = [each for each in named.differences if each.kind == "changed"]
    assert changed.columns == (("unit_name", "another", before[units][3]["unit_name"]),)
    assert invented in untouched
    assert mended.mended == 3
    assert {table: rows(meetings, table) for table in (units, offices)} == before
    assert rebuilt(alliance, "meetings").differences == []


def test_a_lost_account_comes_back_with_its_number(alliance: Bus) -> None:
    # given accounts that were deleted, a member's and one of the charter's
    finance = alliance.assemblies["finance"]
    before = rows(finance, accounts)
    codes = [
        next(row["code"] for row in before if row["member_id"]),
        next(row["code"] for row in before if row["charter_code"]),
    ]
    change(finance, sa.delete(accounts).where(accounts.c.code.in_(codes)))

    # when finance is rebuilt
    found = rebuilt(alliance, "finance", swap=True)

    # then they are what they were, ids and times included
    assert {(each.kind, each.key) for each in found.differences} == {("missing", code) for code in codes}
    assert rows(finance, accounts) == before


def test_a_rebuild_tells_nobody_anything_and_touches_nothing_else(alliance: Bus) -> None:
    # given an empty archive, whose rebuild plays every event there is, and somebody who wants to be told of all
    notifications = alliance.assemblies["notifications"]
    someone = {"owner_kind": "person", "owner": "someone", "channel": "inbox", "language": "en"}
    at = notifications.clock.now()
    change(notifications, sa.insert(subscriptions).values(subscription_id="all", created_at=at, **someone))
    change(notifications, sa.insert(subscription_patterns).values(subscription_id="all", pattern="*"))
    others = [table for table in notifications.service.metadata.sorted_tables if table is not archive]
    kept = {table: rows(notifications, table) for table in (*others, outbox, inbox)}
    before = rows(notifications, archive)
    change(notifications, sa.delete(archive))

    # when it is rebuilt
    found = rebuilt(alliance, "notifications", swap=True)

    # then the archive is whole again and nothing else has moved
    assert found.mended == len(before)
    assert rows(notifications, archive) == before
    assert {table: rows(notifications, table) for table in (*others, outbox, inbox)} == kept


def test_what_reactions_once_told_is_not_told_again(alliance: Bus) -> None:
    # given that finance told of every account it opened, and lost them all
    finance = alliance.assemblies["finance"]
    told = rows(finance, outbox)
    assert told
    lost = [row["account_id"] for row in rows(finance, accounts) if row["member_id"]]
    change(finance, sa.delete(accounts).where(accounts.c.account_id.in_(lost)))

    # when they are made anew, by the reactions that once told of them
    assert rebuilt(alliance, "finance", swap=True).mended == len(lost)

    # then nobody hears of it
    assert rows(finance, outbox) == told


def test_events_that_had_no_effect_yet_are_told_and_not_taken_for_faults(alliance: Bus) -> None:
    # given an event in membership's feed that finance has not had
    finance = alliance.assemblies["finance"]
    [admitted, *_] = [row for row in rows(finance, inbox) if row["type"] == "membership.member.admitted"]
    key = (inbox.c.event_id == admitted["event_id"], inbox.c.source == admitted["source"])
    with alliance.assemblies["membership"].reading() as reading:
        told = reading.one(sa.select(outbox).where(outbox.c.event_id == admitted["event_id"]))
    change(finance, sa.delete(inbox).where(*key))
    change(finance, sa.delete(accounts).where(accounts.c.member_id == told.subject))

    # when finance is rebuilt
    found = rebuilt(alliance, "finance")

    # then the account's absence is no difference: its event is still to come
    assert found.waiting == 1
    assert found.differences == []


def test_a_service_that_has_had_nothing_yet_waits_for_everything_and_is_at_fault_in_nothing(alliance: Bus) -> None:
    # given an archive to which no event has come yet
    notifications = alliance.assemblies["notifications"]
    change(notifications, sa.delete(archive))
    change(notifications, sa.delete(inbox))
    told = sum(len(rows(assembly, outbox)) for assembly in alliance.assemblies.values())

    # when it is rebuilt from every feed
    found = rebuild_projections(notifications, alliance.feeds(), swap=False, report=lambda _numbers: None)

    # then all there is still has to come
    assert (found.waiting, found.played) == (told, 0)
    assert told > 45
    assert rows(notifications, archive) == []
    assert [each for each in found.differences if each.table == "archive"] == []


class Sealed:
    """A feed that nobody may read."""

    service = "member"

    def page(self, after: int, types: Sequence[str]) -> Page:
        """See the port."""
        raise AssertionError(f"read from {after}: {types}")


def test_a_feed_of_which_nothing_is_derived_is_not_read(alliance: Bus) -> None:
    # given that meetings derives from membership's events, and nothing from those of a service with half that name
    meetings = alliance.assemblies["meetings"]

    found = rebuild_projections(
        meetings, [Sealed(), *alliance.feeds("membership")], swap=False, report=lambda _numbers: None
    )

    assert found.is_whole
    assert found.differences == []


def test_of_many_differences_the_first_are_kept_and_all_are_counted(alliance: Bus) -> None:
    # given an archive with more invented events than are told one by one
    notifications = alliance.assemblies["notifications"]
    [event, *_] = before = rows(notifications, archive)
    invented = [{**event, "event_id": f"invented-{number}"} for number in range(SHOWN_MAX + 1)]
    change(notifications, sa.insert(archive).values(invented))

    # when it is rebuilt, with mending
    found = rebuilt(alliance, "notifications", swap=True)

    # then the first are named, all are counted, and all are gone
    assert len(found.differences) == SHOWN_MAX
    assert found.counts["archive"] == found.differ == found.mended == SHOWN_MAX + 1
    assert rows(notifications, archive) == before


def test_an_event_that_is_played_before_its_prerequisite_gets_its_turn_after_it(alliance: Bus) -> None:
    # given offices that had their effect before their units, as far as the clock of that time can tell
    meetings = alliance.assemblies["meetings"]
    early = datetime(2026, 1, 1, tzinfo=UTC)
    change(meetings, sa.update(inbox).where(inbox.c.type == "membership.office.filled").values(settled_at=early))

    # when meetings is rebuilt
    found = rebuilt(alliance, "meetings")

    # then every event was played, and nothing differs
    assert (found.refused, found.differences) == ([], [])


def test_nothing_is_mended_when_feeds_lack_what_had_its_effect(alliance: Bus) -> None:
    # given a feed that lost an event which meetings once had
    membership, meetings = alliance.assemblies["membership"], alliance.assemblies["meetings"]
    [lost, *_] = [row for row in rows(membership, outbox) if row["type"] == "membership.member.admitted"][-1:]
    change(membership, sa.delete(outbox).where(outbox.c.event_id == lost["event_id"]))
    before = rows(meetings, units)

    # when meetings is rebuilt
    found = rebuilt(alliance, "meetings", swap=True)

    # then the unit it would lose is named, and stays
    assert found.unsourced == [f"urn:lianmeng:membership {lost['event_id']}"]
    assert [(each.kind, each.key) for each in found.differences] == [("extra", lost["subject"])]
    assert found.mended == 0
    assert rows(meetings, units) == before

    # unless somebody says that it is to go
    assert rebuilt(alliance, "meetings", swap=True, accept_unsourced=True).mended == 1


def test_a_wrong_row_that_right_ones_refer_to_goes_after_they_are_mended(alliance: Bus) -> None:
    # given an invented unit that holds every office
    meetings = alliance.assemblies["meetings"]
    unit = rows(meetings, units)[0]
    change(meetings, sa.insert(units).values({**unit, "unit_id": "invented"}))
    change(meetings, sa.update(offices).values(unit_id="invented"))

    # when it is rebuilt
    found = rebuilt(alliance, "meetings", swap=True)

    # then all is as it should be
    assert found.mended == 1 + len(rows(meetings, offices))
    assert rebuilt(alliance, "meetings").differences == []


def test_a_wrong_row_that_something_else_needs_is_told_and_nothing_is_mended(alliance: Bus) -> None:
    # given a lost unit, and an invented one on the roll of a ballot, which no event can bring back
    meetings = alliance.assemblies["meetings"]
    lost, unit, *_ = rows(meetings, units)
    change(meetings, sa.insert(units).values({**unit, "unit_id": "invented"}))
    change(meetings, sa.insert(ballots).values(_ballot()))
    change(meetings, sa.insert(roll_entries).values(ballot_id="ballot", unit_id="invented", struck=False))
    change(meetings, sa.update(units).where(units.c.unit_id == lost["unit_id"]).values(unit_name="another"))
    before = rows(meetings, units)

    # when it is rebuilt
    with pytest.raises(Conflict, match=r"rebuild\.rows_in_use"):
        rebuilt(alliance, "meetings", swap=True)

    # then everything is as it was
    assert rows(meetings, units) == before


def _ballot() -> dict[str, Any]:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    counts = dict.fromkeys(("all_members", "roll_size", "struck", "votes_cast"), 1)
    named = {"ballot_id": "ballot", "body": "general_meeting", "application_id": "application", "title": "t"}
    return {**named, **counts, "correlation_id": "c", "state": "open", "rule": {}, "opened_at": at, "closes_at": at}
