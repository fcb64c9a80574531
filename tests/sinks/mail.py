"""A real SMTP server (aiosmtpd) that keeps what it is handed, with the instant it was handed over."""

from __future__ import annotations

import email
import email.policy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.servers.ports import HOST, free_port


@dataclass(frozen=True)
class Mail:
    """One message as the server accepted it."""

    recipients: tuple[str, ...]
    message: EmailMessage
    #: `time.monotonic()` when the server had the whole message, before it answered.
    handed_over_at: float

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        """The plain text part, decoded."""
        part = self.message.get_body(("plain",))
        return str(part.get_content()) if part is not None else ""


class MailSink:
    """The server. `refuse_with` makes it answer every message with an SMTP error, e.g. `451 try later`."""

    def __init__(self, host: str = HOST, port: int | None = None) -> None:
        self.port = port or free_port()
        self.refuse_with: str | None = None
        self.on_mail: Callable[[Mail], None] | None = None
        self._mails: list[Mail] = []
        self._lock = threading.Lock()
        self._controller = Controller(self, hostname=host, port=self.port, enable_SMTPUTF8=True)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Called by aiosmtpd with a whole message; the answer goes to the client."""
        if self.refuse_with:
            return self.refuse_with
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        mail = Mail(tuple(envelope.rcpt_tos), message, time.monotonic())
        with self._lock:
            self._mails.append(mail)
        if self.on_mail is not None:
            self.on_mail(mail)
        return "250 OK"

    def mails(self, recipient: str | None = None) -> list[Mail]:
        """What came so far, in order; of one recipient where named."""
        with self._lock:
            return [mail for mail in self._mails if recipient is None or recipient in mail.recipients]
