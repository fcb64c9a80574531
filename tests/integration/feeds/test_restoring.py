"""One service restored to an earlier point: it catches up from the others' feeds, and gives no number twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.finance.tables import accounts
from services.meetings.tables import units
from services.membership.tables import applications, members
from services.notifications.tables import archive, deliveries
from shared.messaging import feed
from shared.messaging.inbox import DONE, inbox
from shared.runtime.assembly import Assembly
from shared.runtime.clock import ManualClock
from shared.runtime.feeds import RestorePoint, catch_up, restore_point, services_heard
from tests.deployment.addresses import SERVICES
from tests.fixtures.assemblies import Client, bearer
from tests.integration.feeds.alliance import Backups, Bus, People


def rows(assembly: Assembly, table: sa.Table, *apart_from: str) -> list[dict[str, Any]]:
    """All rows; times at which this service noticed something are not the same when it notices it again."""
    columns = [column for column in table.columns if column.name not in apart_from]
    with assembly.reading() as reading:
        return [row._asdict() for row in reading.all(sa.select(*columns).order_by(*table.primary_key.columns))]


def caught_up(bus: Bus, service: str) -> Mapping[str, int]:
    assembly = bus.assemblies[service]
    feeds = bus.feeds(*services_heard(assembly))
    _, counts = catch_up(assembly, feeds, after={}, report=lambda _numbers: None)
    return counts


def archived(bus: Bus, service: str) -> Iterator[Mapping[str, Any]]:
    """What notifications keeps of a service, over HTTP."""
    notifications = bus.assemblies["notifications"]
    headers = bearer(notifications, roles=["operator"])
    cursor = ""
    while True:
        page = Client(notifications).get(f"/archive?service={service}&limit=100{cursor}", headers=headers).json
        assert page is not None
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


def raised(bus: Bus, service: str, *, apply: bool = True) -> tuple[RestorePoint, list[str]]:
    lost: list[str] = []
    point = restore_point(
        bus.assemblies[service], archived(bus, service), apply=apply, lost=lambda event: lost.append(event["type"])
    )
    return point, lost


def open_events(bus: Bus) -> list[tuple[str, str, str]]:
    """Everything anywhere that has not had its effect."""
    return [
        (name, row["type"], row["reason"])
        for name, assembly in bus.assemblies.items()
        for row in rows(assembly, inbox)
        if row["state"] != DONE
    ]


def head(assembly: Assembly) -> int:
    with assembly.reading() as reading:
        return feed.bounds(reading).head


def test_a_restored_hearer_ends_where_one_that_was_never_restored_is(bus: Bus, backups: Backups) -> None:
    # given finance and notifications as they were before a member was admitted
    taken = {service: backups.take(service) for service in ("finance", "notifications")}
    People(bus).admit()
    told = rows(bus.assemblies["notifications"], archive, "received_at", "time")

    # when both are restored to that point and catch up
    before = {service: backups.put_back(service, url) for service, url in taken.items()}
    assert len(rows(bus.assemblies["finance"], accounts)) == len(rows(before["finance"], accounts)) - 1
    counts = [caught_up(bus, "finance"), caught_up(bus, "notifications")]
    bus.settle()

    # then they have what they had, ids and all, and nobody has heard anything twice
    assert all(each["done"] > 0 for each in counts)
    assert rows(bus.assemblies["finance"], accounts, "opened_at") == rows(before["finance"], accounts, "opened_at")
    assert rows(bus.assemblies["notifications"], archive, "received_at", "time") == told
    assert rows(bus.assemblies["notifications"], deliveries) == []
    assert open_events(bus) == []
    for assembly in before.values():
        assembly.close()


def test_catching_up_again_changes_nothing(bus: Bus) -> None:
    for service in SERVICES:
        assert caught_up(bus, service)["done"] == 0


def test_a_restored_teller_gives_no_number_twice_and_what_it_lost_is_named(bus: Bus, backups: Backups) -> None:
    # given membership as it was when the general meeting's ballot was open
    people = People(bus)
    application = people.apply()
    people.pass_ballot(application)
    url = backups.take("membership")
    # and what came after: the unit is admitted, and another one applies
    people.pass_ballot(application)
    people.apply(unit_name="攸县农机服务有限公司", credit_code="91430200MA4L1ABC2D")
    last_told = head(bus.assemblies["membership"])

    # when it is restored, raised above all that it ever told, and caught up
    before = backups.put_back("membership", url)
    point, lost = raised(bus, "membership")
    caught_up(bus, "membership")
    bus.settle()

    # then what it had told is named: what followed from others' events, and what people did
    assert lost.count("membership.member.admitted") == 1
    assert lost.count("membership.application.submitted") == 1
    assert point.lost == len(lost)
    # the admission came back as it was, under the same id, and nobody took it for another
    assert rows(bus.assemblies["membership"], members) == rows(before, members)
    assert len(rows(bus.assemblies["meetings"], units)) == 16
    assert sum(1 for row in rows(bus.assemblies["finance"], accounts) if row["member_id"]) == 16
    # what is left to enter by hand is what people did
    _, left = raised(bus, "membership", apply=False)
    assert set(left) == {"membership.application.submitted", "membership.application.accepted"}
    # of the second application only the ballot that meetings opened for it is left, and it waits for somebody's decision
    assert [(name, event_type) for name, event_type, _ in open_events(bus)] == [
        ("membership", "meetings.ballot.opened")
    ]

    # and what is told from now on is new to everybody: entered by hand, the story goes to its end
    again = people.apply(unit_name="攸县农机服务有限公司", credit_code="91430200MA4L1ABC2D")
    people.pass_ballot(again)
    people.pass_ballot(again)
    assert len(rows(bus.assemblies["meetings"], units)) == 17
    assert [each for each in open_events(bus) if "out_of_order" in each[2]] == []
    with bus.assemblies["membership"].reading() as reading:
        assert feed.read(reading, last_told).entries[0].number > last_told
    assert {row["state"] for row in rows(bus.assemblies["membership"], applications)} == {"admitted"}
    before.close()


@pytest.mark.parametrize(("is_raised", "parked"), [(True, []), (False, ["meetings", "notifications"])])
def test_only_a_teller_that_was_raised_is_understood(
    bus: Bus, backups: Backups, *, is_raised: bool, parked: list[str]
) -> None:
    """Why the step is needed: without it a sequence is given again, and hearers rightly put the event aside."""
    # given an application that went on after the backup
    people = People(bus)
    application = people.apply()
    url = backups.take("membership")
    people.pass_ballot(application)

    # when membership is restored and the applicant withdraws
    before = backups.put_back("membership", url)
    if is_raised:
        raised(bus, "membership")
    with bus.assemblies["membership"].begin() as work:
        work.record(
            "membership.application.withdrawn",
            subject=application,
            data={"application_id": application, "unit_name": "醴陵陶瓷创新服务有限公司"},
        )
    bus.settle()

    # then its hearers park what seems old to them
    out_of_order = [(name, event_type) for name, event_type, reason in open_events(bus) if "out_of_order" in reason]
    assert out_of_order == [(name, "membership.application.withdrawn") for name in parked]
    before.close()


def test_raising_twice_is_raising_once(bus: Bus, backups: Backups) -> None:
    people = People(bus)
    url = backups.take("membership")
    people.apply()
    before = backups.put_back("membership", url)

    first, _ = raised(bus, "membership")
    once = head(bus.assemblies["membership"])
    second, _ = raised(bus, "membership")

    assert first == second
    assert head(bus.assemblies["membership"]) == once == first.head
    before.close()


def test_what_was_removed_for_its_age_is_not_taken_for_lost(bus: Bus, clock: ManualClock) -> None:
    # given a feed whose first half is old and removed
    clock.advance(100 * 86_400)
    People(bus).apply()
    membership = bus.assemblies["membership"]
    with membership.begin() as work:
        assert feed.prune(work, work.now - timedelta(days=90)) > 0

    # when the restore point is looked for
    point, lost = raised(bus, "membership", apply=False)

    # then nothing is missing, and the numbers go on above what is there
    assert lost == []
    assert point.head > head(membership)
