"""What comes late or twice, below the inbox that usually keeps it away: the second time changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.notifications import tables
from services.notifications.commands.archive import archive_event
from services.notifications.commands.deliveries import record_attempt, retry_delivery
from services.notifications.domain.deliveries import Attempt
from services.notifications.domain.messages import ArchivedEvent
from shared.errors import NotFound
from tests.service.notifications.driver import Notifications


@pytest.mark.parametrize(
    "late", [Attempt(False, 5, 500, "refused"), Attempt(True, 5, 204), Attempt(False, 5, 410, permanent=True)]
)
def test_an_attempt_that_ends_after_the_delivery_was_settled_is_logged_and_changes_nothing(
    house: Notifications, late: Attempt
) -> None:
    # given a delivery that another worker has made meanwhile
    house.subscribe("webhook", "http://127.0.0.1:9/hook")
    house.hear()
    (pending,) = house.rows(tables.deliveries)
    with house.assembly.begin() as work:
        record_attempt(work, pending["delivery_id"], Attempt(True, 5, 204))
    (settled,) = house.rows(tables.deliveries)

    # when the slow one comes to write down what became of its own attempt
    with house.assembly.begin() as work:
        record_attempt(work, pending["delivery_id"], late)

    # then the log has both and the delivery stays as it was
    (after,) = house.rows(tables.deliveries)
    assert after == {**settled, "attempts": 2}
    assert [row["number"] for row in house.rows(tables.attempts)] == [1, 2]
    assert house.published() == []


def test_an_archived_event_is_not_fanned_out_again(house: Notifications) -> None:
    house.subscribe()
    told = house.hear()
    (kept,) = house.rows(tables.archive)
    kept.pop("received_at")
    again = ArchivedEvent(**{**kept, "time": kept["time"] + timedelta(seconds=1)})

    with house.assembly.begin() as work:
        archive_event(work, again)

    assert [row["event_id"] for row in house.rows(tables.deliveries)] == [told["id"]]


def test_a_delivery_that_never_was_cannot_be_tried_again(house: Notifications) -> None:
    with house.assembly.begin() as work, pytest.raises(NotFound):
        retry_delivery(work, "nope")
    assert house.post("/deliveries/nope/retry").status_code == 404
