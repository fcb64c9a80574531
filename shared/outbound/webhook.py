"""One signed HTTP POST to a stranger's endpoint, as in Standard Webhooks 1.0, that cannot hurt us.

The bytes that are signed are the bytes that are sent. No redirects, no cookies, no proxy from the environment; the
name is resolved by us, every address is checked, and the connection goes to a checked one while TLS and Host still
name the receiver, so a resolver that changes its mind gains nothing. A deadline covers the whole exchange, however
slowly the other side drips; of its answer only the status and Retry-After are looked at, the body is thrown away.
Must not decide what an answer means for the delivery.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore
from standardwebhooks import Webhook

from shared.outbound.addresses import AddressGuard, AddressRefused, Target
from shared.runtime.clock import Clock

#: Seconds for the whole exchange. Standard Webhooks recommends 15 to 30.
TOTAL_SECONDS = 15.0
#: Seconds of these for the connection, TLS included.
CONNECT_SECONDS = 5.0
#: Seconds to take the rest of an answer whose status is known; closing at once would look like a fault to the receiver.
REST_SECONDS = 2.0
#: Bytes of an answer that are read, and forgotten.
ANSWER_BYTES_MAX = 65_536
#: Longest Retry-After that is believed, in seconds.
RETRY_AFTER_SECONDS_MAX = 86_400
USER_AGENT = "Lianmeng-Webhooks/1.0"


@dataclass(frozen=True)
class WebhookAnswer:
    """What came back: a status, or an error class where none did. `milliseconds` is the whole exchange."""

    status: int | None
    error: str | None
    milliseconds: int
    retry_after_seconds: int | None = None


class WebhookPoster:
    """Posts webhooks; may be used from several threads at once."""

    def __init__(
        self,
        guard: AddressGuard,
        clock: Clock,
        *,
        total_seconds: float = TOTAL_SECONDS,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._total_seconds = total_seconds
        self._ssl_context = ssl_context
        self._lock = threading.Lock()

    def post(self, url: str, secret: str, message_id: str, timestamp: datetime, body: str) -> WebhookAnswer:
        """Sign and send `body` (JSON text) once. Never raises for what the other side does."""
        started = self._clock.monotonic()
        try:
            target = self._guard.parse(url)
            content = body.encode()
            headers: dict[str | bytes, str | bytes] = {
                "Host": target.authority,
                "User-Agent": USER_AGENT,
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                "Accept-Encoding": "identity",
                "webhook-id": message_id,
                "webhook-timestamp": str(int(timestamp.timestamp())),
                "webhook-signature": Webhook(secret).sign(message_id, timestamp, body),
            }
            status, retry_after = self._exchange(target, headers, content)
        except AddressRefused as refused:
            error = "unresolvable" if refused.reason == "unresolvable" else "address_refused"
            return WebhookAnswer(None, error, self._since(started))
        except httpcore.TimeoutException:
            return WebhookAnswer(None, "timed_out", self._since(started))
        except httpcore.ConnectError as failed:
            error = "tls_failed" if isinstance(failed.__cause__, ssl.SSLError) else "connect_failed"
            return WebhookAnswer(None, error, self._since(started))
        except (httpcore.NetworkError, httpcore.ProtocolError):
            return WebhookAnswer(None, "broken_off", self._since(started))
        return WebhookAnswer(status, None, self._since(started), _retry_after_seconds(retry_after, timestamp))

    def _exchange(
        self, target: Target, headers: Mapping[str | bytes, str | bytes], content: bytes
    ) -> tuple[int, str | None]:
        deadline = _Deadline(self._clock, self._total_seconds)
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        connection = httpcore.HTTPConnection(
            url.origin, ssl_context=self._context(target), network_backend=_GuardedBackend(self._guard, deadline)
        )
        timeouts = {"timeout": {"connect": CONNECT_SECONDS}}
        with (
            connection,
            connection.stream("POST", url, headers=headers, content=content, extensions=timeouts) as answer,
        ):
            deadline.shorten(REST_SECONDS)
            _throw_away(answer)
            named = {name.lower(): value for name, value in answer.headers}
            retry_after = named.get(b"retry-after")
            return answer.status, retry_after.decode("latin-1") if retry_after else None

    def _context(self, target: Target) -> ssl.SSLContext | None:
        if target.scheme != "https":
            return None
        with self._lock:
            # Made on first use and kept: reading the trust store takes longer than a request.
            self._ssl_context = self._ssl_context or httpcore.default_ssl_context()
            return self._ssl_context

    def _since(self, started: float) -> int:
        return int((self._clock.monotonic() - started) * 1000)


class _Deadline:
    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._at = clock.monotonic() + seconds

    def shorten(self, seconds: float) -> None:
        self._at = min(self._at, self._clock.monotonic() + seconds)

    def left(self, asked: float | None) -> float:
        """Seconds for the next step; raises when there are none."""
        left = self._at - self._clock.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("deadline")
        return left if asked is None else min(left, asked)


class _GuardedBackend(httpcore.NetworkBackend):
    """Opens connections to checked addresses only. This is where a name becomes an address; nobody resolves after it."""

    def __init__(self, guard: AddressGuard, deadline: _Deadline) -> None:
        self._guard = guard
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Try the checked addresses in turn."""
        failed: Exception | None = None
        for address in self._guard.addresses(host, port):
            try:
                stream = self._sockets.connect_tcp(
                    address, port, self._deadline.left(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
                continue
            return _DeadlineStream(stream, self._deadline)
        assert failed is not None, "a guard gives at least one address"
        raise failed


class _DeadlineStream(httpcore.NetworkStream):
    """A stream every step of which ends at the deadline: per-read time-outs alone never end against a slow drip."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _throw_away(answer: httpcore.Response) -> None:
    left = ANSWER_BYTES_MAX
    try:
        for piece in answer.iter_stream():
            left -= len(piece)
            if left <= 0:
                return
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        return  # the status was said; how the rest ends changes nothing


def _retry_after_seconds(value: str | None, now: datetime) -> int | None:
    """Retry-After as seconds or as a date; None where it is absent or makes no sense."""
    if value is None or len(value) > 100:
        return None
    if value.isascii() and value.strip().isdigit():
        return min(int(value), RETRY_AFTER_SECONDS_MAX)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        return None
    return min(max(int((until - now).total_seconds()), 0), RETRY_AFTER_SECONDS_MAX)
