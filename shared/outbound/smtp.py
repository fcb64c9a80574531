"""Hands e-mails to a mail server over one connection that is kept open.

A new connection costs several round trips, TLS and a login; a burst of mails, and the single mail that somebody waits
for, find it warm. A connection that went stale is noticed at the first command and opened anew, before anything was
handed over, so no mail goes out twice because of it. Must not decide whether a mail is tried again.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from dataclasses import dataclass

#: Seconds to wait for one answer of the mail server.
ANSWER_SECONDS = 10.0
#: The port on which TLS is spoken from the first byte (RFC 8314).
IMPLICIT_TLS_PORT = 465
#: "Service shutting down" (RFC 5321): the connection is of no use any more, whatever was asked.
CLOSING = 421


@dataclass(frozen=True)
class MailServer:
    """Where and how mails are handed over. `hostname` is what we call ourselves in EHLO."""

    host: str
    port: int
    hostname: str
    user: str = ""
    password: str = ""
    starttls: bool = True
    answer_seconds: float = ANSWER_SECONDS


class MailFailed(Exception):
    """The mail was not taken. `error` is one word for logs; `permanent` when the same mail will never be taken.

    `before_sending`: the server was never reached, so this says nothing about the mail.
    """

    def __init__(
        self, error: str, *, status: int | None = None, permanent: bool = False, before_sending: bool = False
    ) -> None:
        super().__init__(error)
        self.error = error
        self.status = status
        self.permanent = permanent
        self.before_sending = before_sending


class Mailer:
    """One connection to one mail server; calls from several threads take turns."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._connection: smtplib.SMTP | None = None
        self._lock = threading.Lock()

    def send(self, sender: str, recipient: str, message: bytes) -> int:
        """Hand over one message (bytes with CRLF line ends); returns the server's status. Raises MailFailed."""
        with self._lock:
            try:
                connection = self._begin(sender)
                return self._hand_over(connection, recipient, message)
            except MailFailed:
                raise
            except (smtplib.SMTPException, OSError) as error:
                self._drop()
                # smtplib turns a time-out into "disconnected"; what it was stays behind it.
                late = isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)
                raise MailFailed("timed_out" if late else "broken_off") from error

    def close(self) -> None:
        """Take leave of the server."""
        with self._lock:
            self._drop(politely=True)

    def _begin(self, sender: str) -> smtplib.SMTP:
        """A connection on which MAIL FROM was accepted; a kept one that turns out dead is replaced once."""
        if self._connection is not None:
            with contextlib.suppress(smtplib.SMTPServerDisconnected, OSError):
                status, _ = self._connection.mail(sender)
                if status != CLOSING:
                    self._ensure_accepted(status, "sender_refused", permanent=False)
                    return self._connection
            self._drop()
        connection = self._connection = self._connect()
        status, _ = connection.mail(sender)
        self._ensure_accepted(status, "sender_refused", permanent=False)
        return connection

    def _hand_over(self, connection: smtplib.SMTP, recipient: str, message: bytes) -> int:
        status, _ = connection.rcpt(recipient)
        self._ensure_accepted(status, "recipient_refused", permanent=True)
        try:
            status, _ = connection.data(message)
        except smtplib.SMTPDataError as error:
            status = error.smtp_code
        self._ensure_accepted(status, "message_refused", permanent=True)
        return status

    def _ensure_accepted(self, status: int, error: str, *, permanent: bool) -> None:
        if 200 <= status < 300:
            return
        # The next mail needs a clean state; a server that does not even grant that is left.
        if status == CLOSING or not self._reset():
            self._drop()
        raise MailFailed(error, status=status, permanent=permanent and 500 <= status < 600)

    def _reset(self) -> bool:
        assert self._connection is not None
        try:
            return self._connection.rset()[0] == 250
        except (smtplib.SMTPException, OSError):
            return False

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        try:
            connection = self._open()
        except smtplib.SMTPResponseException as error:
            raise MailFailed("unavailable", status=error.smtp_code, before_sending=True) from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailFailed("unreachable", before_sending=True) from error
        try:
            connection.ehlo_or_helo_if_needed()
            if server.starttls and server.port != IMPLICIT_TLS_PORT:
                connection.starttls(context=ssl.create_default_context())
                connection.ehlo()
            if server.user:
                connection.login(server.user, server.password)
            _send_small_pieces_at_once(connection)
        except (smtplib.SMTPException, OSError) as error:
            connection.close()
            status = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None
            raise MailFailed(_greeting_error(error), status=status, before_sending=True) from error
        return connection

    def _open(self) -> smtplib.SMTP:
        server = self._server
        if server.port == IMPLICIT_TLS_PORT:
            return smtplib.SMTP_SSL(
                server.host,
                server.port,
                local_hostname=server.hostname,
                timeout=server.answer_seconds,
                context=ssl.create_default_context(),
            )
        return smtplib.SMTP(server.host, server.port, local_hostname=server.hostname, timeout=server.answer_seconds)

    def _drop(self, *, politely: bool = False) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if politely:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                connection.quit()
        connection.close()


def _send_small_pieces_at_once(connection: smtplib.SMTP) -> None:
    # Nagle's algorithm holds the last piece of a message back until the one before is acknowledged: up to 40 ms.
    if connection.sock is not None:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _greeting_error(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "login_refused"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "starttls_missing"
    if isinstance(error, ssl.SSLError):
        return "tls_failed"
    return "unreachable"
