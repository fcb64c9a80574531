"""The webhook poster against real sockets: what is sent, what comes back, and everything that may go wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.outbound.addresses import AddressGuard, Resolve
from shared.outbound.webhook import WebhookPoster
from shared.runtime.clock import SystemClock
from tests.sinks import WebhookSink
from tests.unit.outbound.certificates import certificate_for
from tests.unit.outbound.listener import (
    HOST,
    Listener,
    answering,
    dripping,
    hanging,
    read_request,
    resetting,
)

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
BODY = '{"type":"membership.member.admitted","data":{"unit":"株洲"}}'
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def poster(**options) -> WebhookPoster:
    """A poster that may reach loopback."""
    return WebhookPoster(AddressGuard(allow_private=True), SystemClock(), **options)


def post(url: str, **options):
    """Post BODY now; the answer."""
    return poster(**options).post(url, SECRET, "msg_1", SystemClock().now(), BODY)


def first_public_then_inside() -> Resolve:
    """A resolver that is honest once."""
    answers = iter([["93.184.215.14"]])
    return lambda _host, _port: next(answers, [HOST])


def independent_signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Standard Webhooks 1.0 written down anew from its text."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = message_id.encode() + b"." + timestamp.encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def test_the_exact_bytes_sent_are_the_bytes_signed() -> None:
    with WebhookSink() as sink:
        answer = post(sink.url("/in?x=1"))

    (hook,) = sink.hooks()
    assert (answer.status, answer.error) == (204, None)
    assert hook.path == "/in?x=1"
    assert hook.body == BODY.encode()
    assert hook.headers["content-type"] == "application/json"
    assert hook.headers["webhook-id"] == "msg_1"
    assert hook.headers["webhook-signature"] == independent_signature(
        SECRET, "msg_1", hook.headers["webhook-timestamp"], hook.body
    )
    assert hook.verified(SECRET)["type"] == "membership.member.admitted"


def test_a_published_vector_of_the_signature_is_met() -> None:
    # given the vector: id msg_1, timestamp 1700000000, body {"type":"member.admitted"}
    with WebhookSink() as sink:
        poster().post(
            sink.url(), SECRET, "msg_1", datetime.fromtimestamp(1_700_000_000, UTC), '{"type":"member.admitted"}'
        )

    (hook,) = sink.hooks()
    assert hook.headers["webhook-timestamp"] == "1700000000"
    assert hook.headers["webhook-signature"] == "v1,RWsgIBspWRkoD/Fq/kSD9GudYywfBmr5wqAqWzx1H5Q="


def test_an_altered_body_or_another_secret_does_not_verify() -> None:
    with WebhookSink() as sink:
        post(sink.url())
    (hook,) = sink.hooks()

    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(hook.body.replace(b"member", b"number"), hook.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(hook.body, hook.headers)


@pytest.mark.parametrize("status", [200, 202, 204, 301, 302, 307, 308, 400, 404, 410, 429, 500, 503])
def test_the_status_is_handed_back_as_it_came(status: int) -> None:
    with WebhookSink() as sink:
        sink.answers = [status]
        answer = post(sink.url())

    assert (answer.status, answer.error) == (status, None)


def test_a_redirect_is_not_followed() -> None:
    with Listener(answering(NO_CONTENT)) as elsewhere:
        location = f"Location: http://{HOST}:{elsewhere.port}/\r\n".encode()
        for status in (b"301", b"302", b"303", b"307", b"308"):
            redirect = b"HTTP/1.1 " + status + b" Away\r\n" + location + b"Content-Length: 0\r\n\r\n"
            with Listener(answering(redirect)) as first:
                assert post(f"http://{HOST}:{first.port}/").status == int(status)

    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"120", 120),
        (b"0", 0),
        (b"999999999999", 86_400),
        (b"soon", None),
        (b"-5", None),
        (b"1.5", None),
        (b"", None),
        (b"Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_is_read_where_it_makes_sense(header: bytes, seconds: int | None) -> None:
    answer = b"HTTP/1.1 503 Later\r\nRetry-After: " + header + b"\r\nContent-Length: 0\r\n\r\n"
    with Listener(answering(answer)) as server:
        assert post(f"http://{HOST}:{server.port}/").retry_after_seconds == seconds


def test_retry_after_may_be_a_date() -> None:
    until = (datetime.now(UTC) + timedelta(seconds=300)).strftime("%a, %d %b %Y %H:%M:%S GMT").encode()
    with Listener(
        answering(b"HTTP/1.1 429 Slow\r\nRetry-After: " + until + b"\r\nContent-Length: 0\r\n\r\n")
    ) as server:
        seconds = post(f"http://{HOST}:{server.port}/").retry_after_seconds

    assert seconds is not None
    assert 290 <= seconds <= 300


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(hanging, id="never answers"),
        pytest.param(dripping(b"H", 0.05), id="drips its status line"),
        pytest.param(dripping(b"X-Filler: 1\r\n", 0.05, b"HTTP/1.1 200 OK\r\n"), id="drips headers without end"),
    ],
)
def test_a_receiver_that_never_finishes_its_answer_is_left_at_the_deadline(behave) -> None:
    with Listener(behave) as server:
        answer = post(f"http://{HOST}:{server.port}/", total_seconds=0.5)

    assert (answer.status, answer.error) == (None, "timed_out")
    assert 400 <= answer.milliseconds < 3_000


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(dripping(b"x" * 16_384, 0.001, b"HTTP/1.1 200 OK\r\n\r\n"), id="fast"),
        pytest.param(dripping(b"x", 0.05, b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"), id="slow"),
    ],
)
def test_an_endless_body_is_cut_off_and_the_status_stands(behave) -> None:
    with Listener(behave) as server:
        answer = post(f"http://{HOST}:{server.port}/", total_seconds=1.0)

    assert (answer.status, answer.error) == (200, None)
    assert answer.milliseconds < 3_000


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (resetting, "broken_off"),
        (answering(b""), "broken_off"),
        (answering(b"\x16\x03\x01 not HTTP at all\r\n\r\n"), "broken_off"),
        (answering(b"HTTP/1.1 999999 No\r\n\r\n"), "broken_off"),
    ],
)
def test_a_receiver_that_speaks_no_http_is_an_error_and_no_exception(behave, error: str) -> None:
    with Listener(behave) as server:
        answer = post(f"http://{HOST}:{server.port}/")

    assert (answer.status, answer.error) == (None, error)


def test_nobody_listening_is_an_error_and_no_exception() -> None:
    with Listener(hanging) as server:
        port = server.port

    assert post(f"http://{HOST}:{port}/").error == "connect_failed"


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Listener(answering(NO_CONTENT)) as proxy, WebhookSink() as sink:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{HOST}:{proxy.port}")
        assert post(sink.url()).status == 204

    assert proxy.connections == 0


def test_a_resolver_that_changes_its_mind_gains_nothing() -> None:
    # given a name that is public when somebody looks first and lies inside from then on, and a listener inside
    context = ssl.create_default_context()
    with Listener(answering(NO_CONTENT)) as inside:
        for _ in range(100):
            guard = AddressGuard(resolve=first_public_then_inside())
            url = "https://rebinding.zhuzhou.cn/"
            guard.check(url)

            # when it is posted to
            rebound = WebhookPoster(guard, SystemClock(), ssl_context=context)
            answer = rebound.post(url, SECRET, "msg_1", SystemClock().now(), BODY)

            # then it is refused before any connection
            assert answer.error == "address_refused"

    assert inside.connections == 0


def test_a_connection_is_made_to_the_address_that_was_checked_and_to_no_other() -> None:
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return [HOST] if len(asked) == 1 else ["192.0.2.1"]

    with WebhookSink() as sink:
        url = sink.url().replace(HOST, "receiver.zhuzhou.cn")
        guard = AddressGuard(allow_private=True, resolve=resolve)
        answer = WebhookPoster(guard, SystemClock()).post(url, SECRET, "msg_1", SystemClock().now(), BODY)

    (hook,) = sink.hooks()
    assert answer.status == 204
    assert asked == ["receiver.zhuzhou.cn"]
    assert hook.headers["host"].startswith("receiver.zhuzhou.cn:")


def test_an_unresolvable_name_is_told_from_a_refused_one() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    guarded = WebhookPoster(AddressGuard(resolve=resolve), SystemClock())

    assert guarded.post("https://gone.zhuzhou.cn/", SECRET, "m", SystemClock().now(), BODY).error == "unresolvable"


def test_tls_is_verified_against_the_name_although_we_connect_to_the_address(tmp_path: Path) -> None:
    server_context, client_context = certificate_for("receiver.zhuzhou.cn", tmp_path)
    names: list[str | None] = []

    def note_name(_socket: ssl.SSLObject, name: str, _context: ssl.SSLContext) -> None:
        names.append(name)

    server_context.sni_callback = note_name
    seen: list[bytes] = []

    def behave(connection, _stop) -> None:
        seen.append(read_request(connection))
        connection.sendall(NO_CONTENT)

    with Listener(behave, server_context) as server:
        guard = AddressGuard(allow_private=True, resolve=lambda _host, _port: [HOST])
        secured = WebhookPoster(guard, SystemClock(), ssl_context=client_context)
        now = SystemClock().now()
        good = secured.post(f"https://receiver.zhuzhou.cn:{server.port}/in", SECRET, "msg_1", now, BODY)
        wrong_name = secured.post(f"https://other.zhuzhou.cn:{server.port}/in", SECRET, "msg_1", now, BODY)

    assert good.status == 204
    assert names[0] == "receiver.zhuzhou.cn"
    assert f"Host: receiver.zhuzhou.cn:{server.port}".encode() in seen[0]
    assert wrong_name.error == "tls_failed"
    assert len(seen) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    server_context, _ = certificate_for("receiver.zhuzhou.cn", tmp_path)
    with Listener(answering(NO_CONTENT), server_context) as server:
        guard = AddressGuard(allow_private=True, resolve=lambda _host, _port: [HOST])
        answer = WebhookPoster(guard, SystemClock()).post(
            f"https://receiver.zhuzhou.cn:{server.port}/", SECRET, "msg_1", SystemClock().now(), BODY
        )

    assert answer.error == "tls_failed"
