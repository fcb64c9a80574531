"""Filling a feed without a bus: events recorded, and marked sent as the relay does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.messaging.outbox import mark_sent, unsent
from shared.runtime.assembly import Assembly

OPENED = "finance.account.opened"
POSTED = "finance.entry.posted"


def account_opened(number: int) -> dict[str, Any]:
    """Data of an account's opening."""
    return {
        "account_id": f"account-{number}",
        "code": f"2201.{number}",
        "member_id": f"member-{number}",
        "currency": "CNY",
        "balance_fen": 0,
    }


def tell(assembly: Assembly, *numbers: int) -> None:
    """Record an opening for each number, in one unit, and mark it sent."""
    with assembly.begin() as work:
        for number in numbers:
            work.record(OPENED, subject=f"account-{number}", data=account_opened(number))
    send_all(assembly)


def send_all(assembly: Assembly, publish: Callable[[list[bytes]], object] = lambda _bodies: None) -> int:
    """What the relay does, without a bus: `publish` gets the envelopes; returns how many there were."""
    with assembly.reading() as reading:
        rows = unsent(reading, 10_000)
    publish([row.envelope.encode() for row in rows])
    with assembly.units.begin(quiet=True) as work:
        mark_sent(work, [row.event_id for row in rows])
    return len(rows)
