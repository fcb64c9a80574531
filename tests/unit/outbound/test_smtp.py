"""The mailer against a real SMTP server, and against servers that refuse, drop, hang and speak nonsense."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from shared.outbound.smtp import Mailer, MailFailed, MailServer
from tests.servers.ports import HOST, free_port
from tests.sinks import MailSink
from tests.unit.outbound.certificates import certificate_for
from tests.unit.outbound.listener import Listener

SENDER, RECIPIENT = "lianmeng@zhuzhou.cn", "office@hetang.cn"
MESSAGE = b"Subject: hello\r\n\r\n.a line that begins with a dot\r\n"


def server(port: int, **changes) -> MailServer:
    """The mail server of a test."""
    options = {"starttls": False, "answer_seconds": 2.0, **changes}
    return MailServer(HOST, port, "zhuzhou.cn", **options)


def failure(act: Callable[[], object]) -> MailFailed:
    """How the handing over failed."""
    with pytest.raises(MailFailed) as failed:
        act()
    return failed.value


def scripted(*answers: bytes | None, greeting: bytes = b"220 ready\r\n"):
    """A server that answers each command with the next answer, and closes at None or at the end."""

    def behave(connection: socket.socket, _stop: threading.Event) -> None:
        lines = connection.makefile("rb")
        connection.sendall(greeting)
        for answer in answers:
            if not lines.readline() or answer is None:
                return
            connection.sendall(answer)

    return behave


def test_a_burst_of_mails_shares_one_connection() -> None:
    connections: list[object] = []

    class Counting(MailSink):
        async def handle_EHLO(self, _server, session, _envelope, hostname, responses):  # noqa: N802 - aiosmtpd's name
            connections.append(session.peer)
            session.host_name = hostname
            return responses

    with Counting() as sink:
        mailer = Mailer(server(sink.port))
        for _ in range(20):
            assert mailer.send(SENDER, RECIPIENT, MESSAGE) == 250
        mailer.close()

    assert len(sink.mails(RECIPIENT)) == 20
    assert len(connections) == 1
    assert sink.mails()[0].text == ".a line that begins with a dot\r\n"


def test_a_connection_that_went_stale_is_replaced_and_no_mail_goes_out_twice() -> None:
    # given a mailer whose warm connection the server gives up
    port = free_port()
    with controller(port) as first:
        mailer = Mailer(server(port))
        mailer.send(SENDER, RECIPIENT, MESSAGE)
    with controller(port) as second:
        # when the next mail is sent
        mailer.send(SENDER, RECIPIENT, MESSAGE)
        mailer.close()

    # then it went out once, over a new connection
    assert (first.count, second.count) == (1, 1)


def test_a_server_that_says_it_is_closing_is_left_for_a_new_connection() -> None:
    hello, ok, go = b"250 hi\r\n", b"250 ok\r\n", b"354 go\r\n"
    accepted = (hello, ok, ok, go)  # EHLO, MAIL, RCPT, DATA

    def behave(connection: socket.socket, _stop: threading.Event) -> None:
        lines = connection.makefile("rb")
        connection.sendall(b"220 ready\r\n")
        for answer in accepted:
            lines.readline()
            connection.sendall(answer)
        while lines.readline() != b".\r\n":
            pass
        connection.sendall(b"250 taken\r\n")
        lines.readline()
        connection.sendall(b"421 closing\r\n")

    with Listener(behave) as listener:
        mailer = Mailer(server(listener.port))
        assert mailer.send(SENDER, RECIPIENT, MESSAGE) == 250
        assert mailer.send(SENDER, RECIPIENT, MESSAGE) == 250
        mailer.close()
        assert listener.connections == 2


@pytest.mark.parametrize(
    ("refusal", "permanent"), [("451 try later", False), ("452 full", False), ("550 never", True), ("554 spam", True)]
)
def test_a_refused_message_is_told_by_its_status_and_the_next_one_still_goes(refusal: str, permanent) -> None:
    with MailSink() as sink:
        mailer = Mailer(server(sink.port))
        sink.refuse_with = refusal
        failed = failure(lambda: mailer.send(SENDER, RECIPIENT, MESSAGE))
        sink.refuse_with = None
        mailer.send(SENDER, RECIPIENT, MESSAGE)
        mailer.close()

    assert (failed.error, failed.status, failed.permanent) == ("message_refused", int(refusal[:3]), permanent)
    assert not failed.before_sending
    assert len(sink.mails()) == 1


@pytest.mark.parametrize(("answer", "permanent"), [(b"450 busy\r\n", False), (b"550 no such user\r\n", True)])
def test_a_refused_recipient_is_told_by_its_status(answer: bytes, permanent) -> None:
    with Listener(scripted(b"250 hi\r\n", b"250 ok\r\n", answer, b"250 reset\r\n", b"221 bye\r\n")) as listener:
        mailer = Mailer(server(listener.port))
        failed = failure(lambda: mailer.send(SENDER, RECIPIENT, MESSAGE))
        mailer.close()

    assert (failed.error, failed.permanent) == ("recipient_refused", permanent)


def test_a_refused_sender_is_our_fault_and_never_the_mails() -> None:
    with Listener(scripted(b"250 hi\r\n", b"550 who are you\r\n", b"250 reset\r\n", b"221 bye\r\n")) as listener:
        mailer = Mailer(server(listener.port))
        failed = failure(lambda: mailer.send(SENDER, RECIPIENT, MESSAGE))
        mailer.close()

    assert (failed.error, failed.status, failed.permanent) == ("sender_refused", 550, False)


@pytest.mark.parametrize(
    ("behave", "error", "before"),
    [
        pytest.param(scripted(greeting=b"554 go away\r\n"), "unavailable", True, id="greets with a refusal"),
        pytest.param(scripted(greeting=b""), "unreachable", True, id="closes without a greeting"),
        pytest.param(scripted(None), "unreachable", True, id="closes at EHLO"),
        pytest.param(scripted(b"250 hi\r\n", None), "broken_off", False, id="closes at MAIL"),
        pytest.param(scripted(b"250 hi\r\n", b"250 ok\r\n", None), "broken_off", False, id="closes at RCPT"),
        pytest.param(
            scripted(b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", None),
            "broken_off",
            False,
            id="closes in DATA",
        ),
        pytest.param(scripted(b"250 hi\r\n", b"what?\r\n"), "sender_refused", False, id="speaks nonsense"),
    ],
)
def test_a_server_that_breaks_off_is_a_failure_that_may_be_tried_again(behave, error: str, before) -> None:
    with Listener(behave) as listener:
        mailer = Mailer(server(listener.port))
        failed = failure(lambda: mailer.send(SENDER, RECIPIENT, MESSAGE))
        mailer.close()

    assert (failed.error, failed.before_sending, failed.permanent) == (error, before, False)


def test_a_server_that_hangs_is_left_after_its_time() -> None:
    def behave(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(b"220 ready\r\n")
        connection.recv(1_000)
        connection.sendall(b"250 hi\r\n")
        stop.wait(10)

    with Listener(behave) as listener:
        mailer = Mailer(server(listener.port, answer_seconds=0.3))
        failed = failure(lambda: mailer.send(SENDER, RECIPIENT, MESSAGE))
        mailer.close()

    assert failed.error == "timed_out"


def test_nobody_listening_says_that_the_mail_was_never_tried() -> None:
    failed = failure(lambda: Mailer(server(free_port())).send(SENDER, RECIPIENT, MESSAGE))

    assert (failed.error, failed.before_sending) == ("unreachable", True)


def test_a_server_without_starttls_gets_neither_password_nor_mail_when_starttls_is_demanded() -> None:
    with MailSink() as sink:
        mailer = Mailer(server(sink.port, starttls=True, user="u", password="p"))
        failed = failure(lambda: mailer.send(SENDER, RECIPIENT, MESSAGE))

    assert (failed.error, failed.before_sending) == ("starttls_missing", True)
    assert sink.mails() == []


def test_a_server_whose_certificate_nobody_vouches_for_gets_neither_password_nor_mail(tmp_path: Path) -> None:
    context, _ = certificate_for("mail.zhuzhou.cn", tmp_path)
    port = free_port()
    counting = Counting()
    encrypted = Controller(counting, hostname=HOST, port=port, tls_context=context)
    encrypted.start()
    try:
        mailer = Mailer(server(port, starttls=True, user="u", password="p"))
        failed = failure(lambda: mailer.send(SENDER, RECIPIENT, MESSAGE))
    finally:
        encrypted.stop()

    assert (failed.error, failed.before_sending, counting.count) == ("tls_failed", True, 0)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
@pytest.mark.parametrize(("password", "error"), [("right", None), ("wrong", "login_refused")])
def test_the_mailer_signs_in_where_a_user_is_set(password: str, error: str | None) -> None:
    port = free_port()
    with controller(port, password="right") as counting:
        mailer = Mailer(server(port, user="office", password=password))
        if error is None:
            mailer.send(SENDER, RECIPIENT, MESSAGE)
        else:
            failed = failure(lambda: mailer.send(SENDER, RECIPIENT, MESSAGE))
            assert (failed.error, failed.before_sending) == (error, True)
        mailer.close()

    assert counting.count == (1 if error is None else 0)


class Counting:
    """Counts messages."""

    count = 0

    async def handle_DATA(self, _server, _session, _envelope):  # noqa: N802 - aiosmtpd's name
        self.count += 1
        return "250 OK"


class controller:  # noqa: N801 - reads as a word in `with`
    """A real SMTP server on a given port; with a password it demands a login."""

    def __init__(self, port: int, password: str | None = None) -> None:
        self._counting = Counting()

        def authenticate(_server, _session, _envelope, _mechanism, given) -> AuthResult:
            right = isinstance(given, LoginPassword) and given.password == (password or "").encode()
            return AuthResult(success=right, handled=False)

        options: dict[str, Any] = {}
        if password:
            options = {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}
        self._controller = Controller(self._counting, hostname=HOST, port=port, **options)

    def __enter__(self) -> Counting:
        self._controller.start()
        return self._counting

    def __exit__(self, *_: object) -> None:
        self._controller.stop()
