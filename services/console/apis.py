"""The four APIs as the console calls them: with the token of whoever asks, over HTTP, like any other platform.

An API that does not answer is `Away`, and is not asked again for a moment: the other parts of the page should not
wait for it. What an API refuses is `Refused`, with its words, its fields and its article. Decides nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from shared.runtime.clock import Clock

SERVICES = ("membership", "meetings", "finance", "notifications")
#: Connecting within a data centre takes a millisecond; whoever has not answered by then is away.
CONNECT_SECONDS = 2.0
#: The slowest answer, a sign-in that waits for its turn to hash, takes a second.
ANSWER_SECONDS = 8.0
#: How long an API that was away is not asked again, in seconds: short, for most absences are restarts.
REST_SECONDS = 2.0
#: What the gateway says for a service that is away, and a service whose database is. Other codes with 503 are refusals
#: with words of their own ("no charter is in force yet").
_SERVER_AWAY = "server.unavailable"
_AWAY = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


class Away(Exception):
    """A service does not answer now."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.service = service


class Refused(Exception):
    """A service has refused, in words for people (RFC 9457)."""

    def __init__(self, service: str, status: int, problem: Mapping[str, Any], retry_after: str = "") -> None:
        self.service = service
        self.status = status
        self.code = str(problem.get("code", ""))
        #: What happened and what to do, in the caller's language.
        self.detail = str(problem.get("detail") or problem.get("title") or "")
        self.article = problem.get("article")
        self.request_id = str(problem.get("request_id", ""))
        self.retry_after = retry_after
        self.faults: Sequence[Mapping[str, Any]] = problem.get("errors") or ()
        super().__init__(f"{status} {self.code}")

    @property
    def by_field(self) -> dict[str, str]:
        """What is wrong with each field, by its dotted path."""
        return {str(each.get("field")): str(each.get("message")) for each in self.faults}


class Line:
    """The connections of one process to all four. Thread-safe."""

    def __init__(self, address: str, clock: Clock, transport: httpx.BaseTransport | None = None) -> None:
        """`address` may name the service as `{service}`; `transport` is for alliances in one process, and for tests."""
        self._address = address.rstrip("/")
        self._clock = clock
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        self._http = httpx.Client(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)
        self._resting: dict[str, float] = {}
        self._lock = threading.Lock()

    def send(self, service: str, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer as it is. Raises Away."""
        if self._clock.monotonic() < self._resting.get(service, 0.0):
            raise Away(service)
        address = f"{self._address.replace('{service}', service)}/{path.lstrip('/')}"
        began = self._clock.monotonic()
        try:
            return self._http.request(method, address, **request)
        except httpx.TransportError as error:
            now = self._clock.monotonic()
            with self._lock:
                # The longer one has waited in vain, the longer the others need not.
                self._resting[service] = now + max(REST_SECONDS, now - began)
            raise Away(service) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


@dataclass
class Apis:
    """The APIs for one request of one person."""

    line: Line
    headers: dict[str, str]
    #: Who was away while this page was made; the page says so.
    away: set[str] = field(default_factory=set)

    def get(self, service: str, path: str, *, headers: Mapping[str, str] | None = None, **query: Any) -> Any:
        """What `/api/<service>/v1/<path>` answers. Raises Refused, Away. A query of None is left out."""
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return self._answer(service, "GET", path, headers, params=given)

    def part(self, service: str, path: str, **query: Any) -> Any:
        """The same for a part that the page can do without: None while the service is away."""
        try:
            return self.get(service, path, **query)
        except Away:
            return None

    def post(
        self, service: str, path: str, body: Any = None, *, key: str = "", headers: Mapping[str, str] | None = None
    ) -> Any:
        """Change something. `key` is the Idempotency-Key that the form carried: sent twice, done once."""
        extra = {**(headers or {}), **({"Idempotency-Key": key} if key else {})}
        return self._answer(service, "POST", path, extra, json={} if body is None else body)

    def delete(self, service: str, path: str) -> None:
        """Remove something."""
        self._answer(service, "DELETE", path, None)

    def _answer(self, service: str, method: str, path: str, headers: Mapping[str, str] | None, **request: Any) -> Any:
        if service in self.away:
            raise Away(service)
        sent = {**self.headers, **(headers or {})}
        try:
            response = self.line.send(service, method, f"/api/{service}/v1/{path}", headers=sent, **request)
        except Away:
            self.away.add(service)
            raise
        if response.is_success:
            return response.json() if response.content else None
        problem = _problem(response)
        if response.status_code in _AWAY and problem.get("code", _SERVER_AWAY) == _SERVER_AWAY:
            self.away.add(service)
            raise Away(service)
        raise Refused(service, response.status_code, problem, response.headers.get("Retry-After", ""))


def step(part: str) -> str:
    """A part of a path that came from an address: nothing in it can lead elsewhere."""
    return quote(part, safe="")


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
