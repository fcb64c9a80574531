"""The desks of a running service, made when first needed and closed when the service is gone.

A desk outlives one run of the timer: it keeps the mail connection warm and knows what is under way.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from email.utils import parseaddr

from services.notifications.domain.messages import Sender
from services.notifications.timers.mail_desk import MailDesk
from services.notifications.timers.webhook_desk import WebhookDesk
from shared.outbound.addresses import AddressGuard
from shared.outbound.smtp import Mailer, MailServer
from shared.outbound.webhook import WebhookPoster
from shared.persistence.unit_of_work import Units
from shared.runtime.assembly import Assembly


@dataclass(frozen=True)
class Desks:
    """One service's ways out. There is no mail desk where no mail server is configured."""

    mail: MailDesk | None
    webhooks: WebhookDesk

    def close(self) -> None:
        """Take no more work, and wait for what is being sent right now."""
        if self.mail is not None:
            self.mail.close()
        self.webhooks.close()


# Keyed by the units of work, of which an assembly has exactly one; weakly, so that a desk ends with its assembly.
_desks: weakref.WeakKeyDictionary[Units, Desks] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def deliver_due(assembly: Assembly) -> bool:
    """Wake the desks. Never waits for them, so one slow receiver delays nobody else."""
    desks = desks_of(assembly)
    if desks.mail is not None:
        desks.mail.kick(assembly)
    desks.webhooks.dispatch(assembly)
    return False


def desks_of(assembly: Assembly) -> Desks:
    """The desks of this assembly."""
    with _lock:
        desks = _desks.get(assembly.units)
        if desks is None:
            desks = _desks[assembly.units] = _open(assembly)
            assembly.closing.append(desks.close)
        return desks


def _open(assembly: Assembly) -> Desks:
    settings = assembly.settings
    sender = Sender(parseaddr(settings.mail_from)[1], settings.public_url)
    mail = None
    if settings.smtp_host:
        server = MailServer(
            settings.smtp_host,
            settings.smtp_port,
            sender.domain,
            user=settings.smtp_user,
            password=settings.smtp_password,
            starttls=settings.smtp_starttls,
        )
        mail = MailDesk(Mailer(server), sender)
    guard = AddressGuard(allow_private=settings.webhooks_allow_private)
    return Desks(mail, WebhookDesk(WebhookPoster(guard, assembly.clock)))
