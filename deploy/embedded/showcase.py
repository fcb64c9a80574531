"""What the embedded server's page can tell of the alliance, read from the APIs like any caller would.

Without a sign-in it tells only what is public. It keeps a token for a while and nothing else, so the page always
shows the present state.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from deploy.embedded.api_client import Api, ApiRefused
from deploy.embedded.wording import count_notices, worth_showing

#: Half of a token's life: fetched anew well before it ends.
TOKEN_SECONDS = 300.0


@dataclass(frozen=True)
class SignIns:
    """Accounts anybody may use here, because everybody knows the demo's password."""

    username: str
    password: str
    #: User name → key of the text that says who this is.
    shown: Mapping[str, str]
    applicant_password: str = ""


@dataclass(frozen=True)
class View:
    """The page's content, in one language."""

    alliance: str
    members: list[dict[str, Any]]
    kinds: Mapping[str, str]
    counties: Mapping[str, str]
    timeline: list[dict[str, Any]]
    #: Inbox notices on the timeline that are counted instead of shown.
    notices: int
    number: str


class Showcase:
    """Reads what the page shows. `sign_ins` is None outside the demo."""

    def __init__(self, visitor: Api, sign_ins: SignIns | None = None) -> None:
        self._visitor = visitor
        self.sign_ins = sign_ins
        self.correlation_id = ""
        self.number = ""
        self._lock = threading.Lock()
        self._reader: Api | None = None
        self._reader_until = 0.0

    def show_admission(self, correlation_id: str, number: str) -> None:
        """From now on the page tells this story."""
        self.number = number
        self.correlation_id = correlation_id

    def view(self, language: str) -> View:
        """What there is to show now; less where a service does not answer."""
        charter = self._try(self._visitor, "meetings/v1/charter", {})
        alliance = self._try(self._visitor, "membership/v1/alliance", {})
        members: list[dict[str, Any]] = []
        timeline: list[dict[str, Any]] = []
        if self.sign_ins is not None:
            reader = replace(self._signed_in(self.sign_ins), language=language)
            members = self._try(reader, "membership/v1/members", {"items": []}, limit=100)["items"]
            if self.correlation_id:
                path = f"notifications/v1/timelines/{self.correlation_id}"
                timeline = self._try(reader, path, {"entries": []})["entries"]
        return View(
            alliance=str(alliance.get("name", "")),
            members=members,
            kinds=_names(charter.get("member_kinds", []), language),
            counties=_names(charter.get("counties", []), language),
            timeline=worth_showing(timeline),
            notices=count_notices(timeline),
            number=self.number,
        )

    def _signed_in(self, sign_ins: SignIns) -> Api:
        with self._lock:
            now = self._visitor.clock.monotonic()
            if self._reader is None or now >= self._reader_until:
                self._reader = self._visitor.signed_in(sign_ins.username, sign_ins.password)
                self._reader_until = now + TOKEN_SECONDS
            return self._reader

    @staticmethod
    def _try(api: Api, path: str, otherwise: dict[str, Any], **query: str | int) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = api.get(path, **query)
        except ApiRefused:
            return otherwise
        return answer


def _names(catalogue: list[Mapping[str, Any]], language: str) -> dict[str, str]:
    return {str(each["code"]): str(each["name"].get(language, each["code"])) for each in catalogue}
