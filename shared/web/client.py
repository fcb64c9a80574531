"""A client of Lianmeng's APIs for programs: county platforms' importers, the demo, tests of journeys.

It gets and renews its own token, sends an idempotency key with every POST, and repeats what may be repeated: reads
always, writes because their key makes a repetition harmless. It knows paths and JSON, no service's meaning.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from shared.runtime.clock import Clock, SystemClock
from shared.runtime.identifiers import Identifiers

#: Tries of one request, the first included.
ATTEMPTS_MAX = 5
#: Pause before the second try, in seconds; doubled for each further one.
FIRST_PAUSE_SECONDS = 0.2
#: Longest pause, also where a server asks for more: a program that should wait longer should not wait here.
PAUSE_SECONDS_MAX = 10.0
TIMEOUT_SECONDS = 20.0
#: A token is renewed so long before it expires, in seconds.
RENEW_EARLY_SECONDS = 60.0

_AGAIN = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class ApiRefused(Exception):
    """The API answered with a problem; `code` is its stable name, `problem` the whole document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code", ""))
        super().__init__(f"{status} {self.code}: {problem.get('detail', '')} {problem.get('errors', '')}".strip())


@dataclass(frozen=True)
class ClientCredentials:
    """What a platform got when it was registered with membership."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class PersonCredentials:
    """A person's account, for commands that a person starts."""

    username: str
    password: str = field(repr=False)


class ApiClient:
    """Calls below one address, e.g. `https://alliance.example.org`. Safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        *,
        credentials: ClientCredentials | PersonCredentials | None = None,
        token: str | None = None,
        sign_in_at: str = "",
        language: str = "zh-CN",
        http: httpx.Client | None = None,
        clock: Clock | None = None,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """`token` is a ready access token; `credentials` fetch and renew one, at `sign_in_at` where that is elsewhere."""
        self._base = base_url.rstrip("/")
        self._sign_in_at = (sign_in_at or base_url).rstrip("/")
        self._credentials = credentials
        self._token = token
        self._renew_at = float("inf") if token else 0.0
        self._language = language
        self._http = http or httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False)
        self._clock = clock or SystemClock()
        self._ids = Identifiers(self._clock)
        self._pause = pause or threading.Event().wait
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, *, headers: Mapping[str, str] | None = None, **query: Any) -> Any:
        """The JSON at `path`; query arguments that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._json("GET", path, headers=headers, params=given)

    def items(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every item of a listing, page by page."""
        cursor: str | None = None
        while True:
            found = self.get(path, cursor=cursor, **query)
            yield from found["items"]
            cursor = found["next_cursor"]
            if cursor is None:
                return

    def post(
        self, path: str, body: Any = None, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Send `body`. A caller that must survive its own crash stores `key` first and repeats it."""
        sent = {"Idempotency-Key": key or self._ids.new_id(), **(headers or {})}
        return self._json("POST", path, headers=sent, json={} if body is None else body)

    def delete(self, path: str, *, headers: Mapping[str, str] | None = None) -> Any:
        """Remove what is at `path`."""
        return self._json("DELETE", path, headers=headers)

    def _json(self, method: str, path: str, *, headers: Mapping[str, str] | None, **rest: Any) -> Any:
        response = self._send(method, path, headers=headers, **rest)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._credentials is not None:
            # The key may have been rotated or the token revoked; a fresh one is the cure, once.
            self._renew_at = 0.0
            response = self._send(method, path, headers=headers, **rest)
        if not response.is_success:
            raise ApiRefused(response.status_code, _problem_of(response))
        return response.json() if response.content else None

    def _send(self, method: str, path: str, *, headers: Mapping[str, str] | None, **rest: Any) -> httpx.Response:
        sent = {"Accept-Language": self._language, **self._authorization(), **(headers or {})}
        return self._repeat(lambda: self._http.request(method, self._base + path, headers=sent, **rest))

    def _repeat(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            pause = min(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), PAUSE_SECONDS_MAX)
            try:
                response = send()
            except httpx.TransportError:
                if attempt == ATTEMPTS_MAX:
                    raise
            else:
                if response.status_code not in _AGAIN or attempt == ATTEMPTS_MAX:
                    return response
                pause = min(max(pause, _retry_after(response)), PAUSE_SECONDS_MAX)
            # Up to a quarter more, so that many clients do not come back in step.
            self._pause(pause * (1 + self._ids.fraction() / 4))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _authorization(self) -> dict[str, str]:
        with self._lock:
            if self._credentials is not None and self._clock.monotonic() >= self._renew_at:
                self._fetch_token(self._credentials)
            return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _fetch_token(self, credentials: ClientCredentials | PersonCredentials) -> None:
        response = self._repeat(lambda: self._sign_in(credentials))
        if not response.is_success:
            raise ApiRefused(response.status_code, _problem_of(response))
        answer = response.json()
        self._token = str(answer["access_token"])
        self._renew_at = self._clock.monotonic() + float(answer["expires_in"]) - RENEW_EARLY_SECONDS

    def _sign_in(self, credentials: ClientCredentials | PersonCredentials) -> httpx.Response:
        doors = f"{self._sign_in_at}/api/membership/v1"
        if isinstance(credentials, PersonCredentials):
            person = {"username": credentials.username, "password": credentials.password}
            return self._http.post(f"{doors}/sessions", json=person)
        pair = f"{credentials.client_id}:{credentials.client_secret}"
        basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        form = {"grant_type": "client_credentials"}
        return self._http.post(f"{doors}/oauth/token", data=form, headers={"Authorization": basic})


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _problem_of(response: httpx.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": response.text[:200]}
