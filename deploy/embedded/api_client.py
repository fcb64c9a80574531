"""A caller of the four APIs over HTTP, as any platform could be: no way in but the documented one.

It signs in, sends, waits for what follows. It knows no rule and keeps no state but its token.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx

from shared.runtime.clock import Clock
from shared.runtime.identifiers import Identifiers

T = TypeVar("T")

#: How long anything that follows from an event may take here; it takes milliseconds unless the machine is busy.
DEADLINE_SECONDS = 20.0
#: Between two looks: soon at first, then more patiently, so that looking does not take the processor from what is
#: being waited for.
LOOK_SECONDS_MIN = 0.005
LOOK_SECONDS_MAX = 0.05
LOOK_GROWTH = 1.3


class ApiRefused(Exception):
    """The API has answered with a problem: `code` is its stable name, the text what it says to people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


class WaitedInVain(Exception):
    """Something that should have followed has not come before the deadline."""


@dataclass(frozen=True)
class Api:
    """One caller. Without token and code it is anybody."""

    http: httpx.Client
    clock: Clock
    ids: Identifiers
    language: str
    token: str = ""
    #: The applicant's private code.
    application_code: str = ""

    def signed_in(self, username: str, password: str) -> Api:
        """The same, as a person."""
        answer = self.post("membership/v1/sessions", {"username": username, "password": password})
        return replace(self, token=answer["access_token"])

    def with_application_code(self, code: str) -> Api:
        """The same, as the applicant who holds the private link."""
        return replace(self, application_code=code)

    def get(self, path: str, **query: str | int) -> Any:
        """What `/api/<path>` answers. Raises ApiRefused."""
        return self._answer(self.http.get(f"/api/{path}", params=query, headers=self._headers()))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send once, under an idempotency key of its own. Raises ApiRefused."""
        headers = {**self._headers(), "Idempotency-Key": self.ids.new_id()}
        return self._answer(self.http.post(f"/api/{path}", json=dict(body or {}), headers=headers))

    def wait(self, what: str, look: Callable[[], T | None]) -> T:
        """The first thing `look` finds; refusals such as "not yet here" count as nothing. Raises WaitedInVain."""
        pause = threading.Event()
        deadline = self.clock.monotonic() + DEADLINE_SECONDS
        seen: object = None
        wait_seconds = LOOK_SECONDS_MIN
        while self.clock.monotonic() < deadline:
            try:
                found = look()
            except ApiRefused as refused:
                found, seen = None, refused
            if found:
                return found
            pause.wait(wait_seconds)
            wait_seconds = min(wait_seconds * LOOK_GROWTH, LOOK_SECONDS_MAX)
        raise WaitedInVain(f"{what} ({seen})" if seen else what)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Language": self.language}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.application_code:
            headers["Application-Code"] = self.application_code
        return headers

    @staticmethod
    def _answer(response: httpx.Response) -> Any:
        if response.is_success:
            return response.json() if response.content else None
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        message = str(problem.get("detail") or problem.get("title") or response.text[:200])
        faults = "; ".join(f"{each.get('field')}: {each.get('message')}" for each in problem.get("errors", []))
        raise ApiRefused(response.status_code, str(problem.get("code", "")), " ".join(filter(None, (message, faults))))
