"""Posts due webhooks on a small pool of threads, no more than two at a time to one subscription.

A receiver that hangs for its whole time-out keeps two threads busy, never all: the others go on serving everybody else.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from services.notifications.commands.deliveries import Claimed, claim_due, record_attempt
from services.notifications.domain.deliveries import NOT_SENDABLE, Attempt, webhook_attempt
from services.notifications.domain.messages import compose_webhook
from services.notifications.domain.subscriptions import Channel
from shared.outbound.webhook import TOTAL_SECONDS, WebhookPoster
from shared.persistence.unit_of_work import Cause
from shared.runtime.assembly import Assembly
from shared.runtime.logging import get_logger

THREADS = 8
PER_SUBSCRIPTION = 2
#: How long a taken webhook is ours, in seconds: the longest exchange, its name's resolution, and room to write it down.
LEASE_SECONDS = TOTAL_SECONDS * 2

log = get_logger(__name__)


class WebhookDesk:
    """A pool of threads and the account of what each subscription has under way."""

    def __init__(self, poster: WebhookPoster) -> None:
        self._poster = poster
        self._pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="webhook-desk")
        self._lock = threading.Lock()
        self._in_flight: Counter[str] = Counter()
        self._closed = False

    def dispatch(self, assembly: Assembly) -> None:
        """Give every free thread a due webhook; returns at once."""
        with self._lock:
            free = THREADS - self._in_flight.total()
            if self._closed or free <= 0:
                return
            with assembly.units.begin(quiet=True) as work:
                claimed = claim_due(
                    work,
                    Channel.WEBHOOK,
                    limit=free,
                    lease_seconds=LEASE_SECONDS,
                    in_flight=self._in_flight,
                    per_subscription=PER_SUBSCRIPTION,
                )
            for each in claimed:
                self._in_flight[each.subscription_id] += 1
                self._pool.submit(self._deliver, assembly, each)

    def close(self) -> None:
        """Take no more work, and wait for the exchanges under way: their deadline bounds it."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(cancel_futures=True)

    def _deliver(self, assembly: Assembly, claimed: Claimed) -> None:
        try:
            self._post(assembly, claimed)
        except Exception as error:
            # The database is away: the lease ends, and the webhook is tried again.
            log.warning("webhook_desk.failed", delivery_id=claimed.delivery_id, error=repr(error), exc_info=error)
        finally:
            with self._lock:
                self._in_flight[claimed.subscription_id] -= 1
                self._in_flight += Counter()  # forget those who have nothing under way
        try:
            # A thread is free: somebody may be waiting for it who was passed over before.
            self.dispatch(assembly)
        except Exception as error:  # noqa: BLE001 - as above; the timer comes by every second
            log.warning("webhook_desk.dispatch_failed", error=repr(error))

    def _post(self, assembly: Assembly, claimed: Claimed) -> None:
        event = claimed.event
        assembly.failpoints.reach("delivery.before_send", [event.type])
        try:
            assert claimed.secret is not None, "a webhook has its secret from the start"
            answer = self._poster.post(
                claimed.target, claimed.secret, event.event_id, assembly.clock.now(), compose_webhook(event)
            )
            attempt = webhook_attempt(answer.status, answer.error, answer.milliseconds, answer.retry_after_seconds)
        except Exception as error:
            # Given up at once: left to its lease, it would take a place again and again that others wait for.
            attempt = Attempt(False, 0, error=NOT_SENDABLE, permanent=True)
            log.exception("webhook_desk.not_sendable", delivery_id=claimed.delivery_id, error=repr(error))
        if not attempt.taken:
            log.warning(
                "webhook_desk.not_taken", delivery_id=claimed.delivery_id, error=attempt.error, status=attempt.status
            )
        assembly.failpoints.reach("delivery.after_send", [event.type])
        cause = Cause(event.correlation_id, event.event_id)
        with assembly.units.begin(cause, quiet=attempt.taken) as work:
            record_attempt(work, claimed.delivery_id, attempt)
