"""Sends due e-mails one after another over one warm connection, in a thread of its own.

Taken in one unit of work, sent outside any, written down in another: a crash in between means that the lease ends and
the mail goes out again, with the same Message-ID.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from services.notifications.commands.deliveries import Claimed, claim_due, record_attempt, release
from services.notifications.domain.deliveries import NOT_SENDABLE, Attempt
from services.notifications.domain.messages import Sender, compose_email
from services.notifications.domain.subscriptions import Channel
from shared.outbound.smtp import Mailer, MailFailed
from shared.persistence.unit_of_work import Cause
from shared.runtime.assembly import Assembly
from shared.runtime.logging import get_logger

#: Mails taken at a time.
BATCH = 20
#: How long a taken mail is ours, in seconds: as long as a mail waits whose sender was killed. A mail server that needs
#: longer for one mail makes a second copy possible, with the same Message-ID.
LEASE_SECONDS = 30.0
#: After so long no further mail of a batch is begun, in seconds; what is left of the lease is for the one under way.
BATCH_SECONDS_MAX = 10.0
#: When mails are looked at again that were taken but could not be tried, in seconds.
PAUSE_SECONDS = 5.0

log = get_logger(__name__)


class MailDesk:
    """One thread, one connection. `kick` from anywhere, as often as wanted."""

    def __init__(self, mailer: Mailer, sender: Sender) -> None:
        self._mailer = mailer
        self._sender = sender
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail-desk")
        self._lock = threading.Lock()
        self._wanted = False
        self._running = False
        self._closed = False

    def kick(self, assembly: Assembly) -> None:
        """Look for due mails soon; returns at once."""
        with self._lock:
            self._wanted = True
            if self._running or self._closed:
                return
            self._running = True
        self._pool.submit(self._run, assembly)

    def close(self) -> None:
        """Finish the mail under way, give back the rest, and take leave of the mail server."""
        with self._lock:
            self._closed = True
        self._pool.shutdown()
        self._mailer.close()

    def send_batch(self, assembly: Assembly) -> bool:
        """Take and send what is due; True when there may be more at once."""
        with assembly.units.begin(quiet=True) as work:
            claimed = claim_due(work, Channel.EMAIL, limit=BATCH, lease_seconds=LEASE_SECONDS)
        started = assembly.clock.monotonic()
        for index, each in enumerate(claimed):
            reached = self._send(assembly, each)
            late = assembly.clock.monotonic() - started >= BATCH_SECONDS_MAX
            if reached and not late and not self._closed:
                continue
            rest = [later.delivery_id for later in claimed[index + 1 :]]
            with assembly.units.begin(quiet=True) as work:
                release(work, rest, PAUSE_SECONDS if not reached else 0.0)
            return reached and not self._closed
        return len(claimed) == BATCH

    def _run(self, assembly: Assembly) -> None:
        while True:
            with self._lock:
                if not self._wanted or self._closed:
                    self._running = False
                    return
                self._wanted = False
            try:
                while self.send_batch(assembly):
                    pass
            except Exception as error:
                # The desk outlives a database that is away; the work stays in it.
                log.warning("mail_desk.failed", error=repr(error), exc_info=error)

    def _send(self, assembly: Assembly, claimed: Claimed) -> bool:
        """Send one mail and write down what came of it; False when the server could not be reached at all."""
        event = claimed.event
        assembly.failpoints.reach("delivery.before_send", [event.type])
        started = assembly.clock.monotonic()
        reached = True
        try:
            message = compose_email(
                assembly.texts,
                self._sender,
                event,
                delivery_id=claimed.delivery_id,
                recipient=claimed.target,
                language=claimed.language,
                at=assembly.clock.now(),
            )
            status = self._mailer.send(self._sender.address, claimed.target, message)
            attempt = Attempt(True, _since(assembly, started), status)
        except MailFailed as failed:
            reached = not failed.before_sending
            attempt = Attempt(False, _since(assembly, started), failed.status, failed.error, permanent=failed.permanent)
            log.warning(
                "mail_desk.not_taken", delivery_id=claimed.delivery_id, error=failed.error, status=failed.status
            )
        except Exception as error:
            # Given up at once: left to its lease, it would come back first every time and hold up the mails behind it.
            attempt = Attempt(False, _since(assembly, started), error=NOT_SENDABLE, permanent=True)
            log.exception("mail_desk.not_sendable", delivery_id=claimed.delivery_id, error=repr(error))
        assembly.failpoints.reach("delivery.after_send", [event.type])
        # Only a failure can have news for others: the relay, when the delivery was given up.
        cause = Cause(event.correlation_id, event.event_id)
        with assembly.units.begin(cause, quiet=attempt.taken) as work:
            record_attempt(work, claimed.delivery_id, attempt)
        return reached


def _since(assembly: Assembly, started: float) -> int:
    return int((assembly.clock.monotonic() - started) * 1000)
