"""A subscription that ends while its deliveries are on their way: nothing is tried for ever, nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from services.notifications import tables
from services.notifications.commands.deliveries import claim_due, record_attempt
from services.notifications.commands.subscriptions import Owner, disable, unsubscribe
from services.notifications.domain.deliveries import Attempt, State
from services.notifications.domain.subscriptions import Channel
from shared.persistence.unit_of_work import UnitOfWork
from tests.service.notifications.driver import Notifications
from tests.waiting import wait_until

GONE = Attempt(False, 5, 410, "refused", permanent=True)


def by_its_owner(work: UnitOfWork, subscription_id: str) -> None:
    """The owner unsubscribes."""
    unsubscribe(work, Owner("person", "ana"), subscription_id)


def by_its_receiver(work: UnitOfWork, subscription_id: str) -> None:
    """The receiver has answered 410."""
    disable(work, subscription_id, "receiver_gone")


@pytest.mark.parametrize("end", [by_its_owner, by_its_receiver])
def test_a_delivery_made_while_its_subscription_ended_is_cancelled_and_never_sent(
    house: Notifications, end: Callable[[UnitOfWork, str], None]
) -> None:
    # given a delivery whose unit had seen the subscription alive and was stored after it ended
    mine = house.subscribe("webhook", "http://127.0.0.1:9/hook")["subscription_id"]
    house.hear()
    with house.assembly.begin() as work:
        end(work, mine)
        work.execute(sa.update(tables.deliveries).values(state=State.PENDING.value, settled_at=None))

    # when the desk takes what is due
    with house.assembly.begin() as work:
        taken = claim_due(work, Channel.WEBHOOK, limit=5, lease_seconds=30, per_subscription=2)

    # then it is settled instead of sent
    (delivery,) = house.rows(tables.deliveries)
    assert taken == []
    assert (delivery["state"], delivery["settled_at"]) == ("cancelled", house.assembly.clock.now())


def test_a_webhook_that_cannot_be_signed_is_given_up_and_not_tried_for_ever(house: Notifications) -> None:
    house.subscribe("webhook", "http://127.0.0.1:9/hook")
    with house.assembly.begin() as work:
        work.execute(sa.update(tables.subscriptions).values(secret=None))
    house.hear()

    house.settled("abandoned")

    assert [row["error"] for row in house.rows(tables.attempts)] == ["not_sendable"]


def test_two_webhooks_answered_gone_at_once_end_the_subscription_once_without_a_deadlock(
    house: Notifications, database: str
) -> None:
    # given two attempts of one subscription that both come back while somebody holds its row
    mine = house.subscribe("webhook", "http://127.0.0.1:9/hook")["subscription_id"]
    for subject in ("m-1", "m-2", "m-3"):
        house.hear(subject=subject)
    first, second, _ = [row["delivery_id"] for row in house.rows(tables.deliveries)]

    def write_down(delivery_id: str) -> None:
        with house.assembly.begin() as work:
            record_attempt(work, delivery_id, GONE)

    def both_wait() -> bool:
        with house.assembly.reading() as reading:
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            return bool(reading.scalar(sa.text(waiting)) == 2)

    with ThreadPoolExecutor(2) as pool:
        with house.assembly.begin() as work:
            work.lock(sa.select(tables.subscriptions).where(tables.subscriptions.c.subscription_id == mine))
            written = [pool.submit(write_down, each) for each in (first, second)]
            if database == "postgresql":
                wait_until(both_wait, "both wait for the subscription")
        # when it is let go, then neither waits for the other
        for each in written:
            each.result(timeout=30)

    states = sorted(row["state"] for row in house.rows(tables.deliveries))
    assert states == ["abandoned", "cancelled", "cancelled"]
    assert len(house.rows(tables.attempts)) == 2
