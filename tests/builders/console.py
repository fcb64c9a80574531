"""The console over a whole alliance in this process, and visitors with a browser's cookies that click and type.

No page is faked: behind the console are the four services, their workers and SQLite files in a folder of the test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
from werkzeug.test import Client, TestResponse

from deploy.embedded.alliance import EmbeddedAlliance
from deploy.embedded.api_client import Api
from deploy.embedded.http_server import HttpServer
from services.console.apis import Away, Line
from services.console.browser import EXTENSION, SESSION_COOKIE
from services.console.commands.sessions import begin_session
from shared.runtime.assembly import Assembly
from shared.runtime.clock import SystemClock
from shared.runtime.identifiers import Identifiers
from shared.runtime.settings import Settings
from tests.deployment.process import ROOT

CHARTER = ROOT / "deploy" / "charter" / "zhuzhou.toml"
FOUNDING = ROOT / "deploy" / "demo" / "founding.yaml"
PASSWORD = "lianmeng-demo"
#: A port on which nothing ever answers.
NOBODY_LISTENS = 9
ADDRESS = "https://alliance.example"


class Office:
    """A founded alliance with its console."""

    def __init__(self, alliance: EmbeddedAlliance, api: Api, passwords: dict[str, str] | None = None) -> None:
        self.alliance = alliance
        #: Somebody without a token, at the APIs themselves.
        self.api = api
        #: Of people whose password is not everybody's.
        self.passwords = passwords or {}

    @property
    def assembly(self) -> Assembly:
        """The console's own."""
        return self.alliance.console_assembly

    def wait_until_founded(self) -> None:
        """Every founding member has its account: the events have been through all services."""
        treasurer = self.api.signed_in("treasurer", PASSWORD)
        members = self.api.get("membership/v1/alliance")["members"]

        def look() -> bool:
            accounts = treasurer.get("finance/v1/accounts", limit=100)["items"]
            return sum(1 for each in accounts if each["member_id"]) >= members

        self.api.wait("the founding members' accounts", look)

    @contextmanager
    def without(self, away: str) -> Iterator[None]:
        """While the block runs, a service does not answer the console."""
        line: Line = self.alliance.console.extensions[EXTENSION]
        send = line.send

        def send_unless_away(service: str, method: str, path: str, **request: Any) -> httpx.Response:
            if service == away:
                raise Away(service)
            return send(service, method, path, **request)

        line.send = send_unless_away  # type: ignore[method-assign]  # for the length of the block
        try:
            yield
        finally:
            line.send = send  # type: ignore[method-assign]

    def visitor(self, language: str = "zh-CN") -> Visitor:
        """Somebody with a new browser."""
        return Visitor(self, language)

    def signed_in(self, username: str, language: str = "zh-CN") -> Visitor:
        """Somebody who has signed in, without going through the sign-in page."""
        visitor = self.visitor(language)
        visitor.take_session(username)
        return visitor

    def session_of(self, username: str) -> str:
        """What the session cookie of this person holds after a sign-in a moment ago."""
        password = self.passwords.get(username, PASSWORD)
        granted = {**self.api.post("membership/v1/sessions", {"username": username, "password": password})}
        signed_in = replace(self.api, token=granted["access_token"])
        house = self.assembly
        secret = house.ids.secret()
        with house.begin() as work:
            begin_session(work, secret, {**granted, "refresh_token": "none"}, signed_in.get("membership/v1/me"))
        return secret


class Page:
    """An answer, as people and as tests look at it."""

    def __init__(self, response: TestResponse) -> None:
        self.response = response
        self.status = response.status_code
        self.location = response.headers.get("Location", "")
        self.html = response.get_data(as_text=True) if response.mimetype == "text/html" else ""
        self.text = _words_of(self.html)

    def value(self, name: str) -> str:
        """What a hidden field of the page holds."""
        found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', self.html)
        return found[1] if found else ""


class Visitor:
    """A browser: keeps cookies, sends with a form what the page gave it."""

    def __init__(self, office: Office, language: str) -> None:
        self.office = office
        self.language = language
        #: Reaches whatever one address answers: the console, and membership's sign-in page.
        self.client = Client(office.alliance.application)
        self.page: Page | None = None

    def take_session(self, username: str) -> None:
        """Hold a session for this person, as after a sign-in a moment ago."""
        secret = self.office.session_of(username)
        self.client.set_cookie(SESSION_COOKIE, secret, domain="alliance.example", secure=True)

    def sign_in(self, username: str, password: str = PASSWORD, *, start: str = "/sign-in") -> Page:
        """Through membership's page and back; the page that this ends on."""
        page = self.get(start)
        self.get(page.location)
        form = {"token": self.page.value("token") if self.page else "", "username": username, "password": password}
        headers = self._headers({"Sec-Fetch-Site": "same-origin", "Origin": ADDRESS})
        response = self.client.post(page.location, base_url=ADDRESS, data=form, headers=headers)
        page = self.page = Page(response)
        while page.location:
            page = self.get(page.location)
        return page

    def get(self, path: str, **headers: str) -> Page:
        """Open a page."""
        self.page = Page(self.client.get(path, base_url=ADDRESS, headers=self._headers(headers)))
        return self.page

    def send(self, path: str, *, follow: Any = False, **form: Any) -> Page:
        """Send a form of the page at hand; `follow` (true or false; typed loosely, for forms given as a dict): go where it leads."""
        assert self.page is not None, "open the page with the form first"
        hidden = {"form_token": self.page.value("form_token"), "key": self.page.value("key")}
        headers = self._headers({"Sec-Fetch-Site": "same-origin", "Origin": ADDRESS})
        response = self.client.post(path, base_url=ADDRESS, data={**hidden, **form}, headers=headers)
        page = Page(response)
        if not 300 <= page.status < 400:
            self.page = page
        return self.get(page.location) if follow and page.location else page

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Accept-Language": self.language, **more}


@contextmanager
def founded_office(folder: Path, *, founding: Path = FOUNDING, for_browsers: bool = False) -> Iterator[Office]:
    """An alliance founded from a file, serving in this process until the block ends.

    `for_browsers`: under the address where it really listens, and with a demo's sign-in by one click.
    """
    with _migrated_office(folder, for_browsers=for_browsers) as office:
        alliance = office.alliance
        assert alliance.run_command("meetings", "adopt-charter", [str(CHARTER)]) == 0
        arguments = [str(founding), "--charter", str(CHARTER), "--demo-password", PASSWORD]
        assert alliance.run_command("membership", "found", arguments) == 0
        alliance.start()
        office.wait_until_founded()
        yield office


@contextmanager
def empty_office(folder: Path, *, for_browsers: bool = False, setup_code: str = "") -> Iterator[Office]:
    """A platform on its first day: no charter, no alliance, nobody. `setup_code`: it may be founded in the browser."""
    with _migrated_office(folder, for_browsers=for_browsers, setup_code=setup_code) as office:
        office.alliance.start()
        yield office


@contextmanager
def _migrated_office(folder: Path, *, for_browsers: bool, setup_code: str = "") -> Iterator[Office]:
    server = HttpServer("127.0.0.1", 0)

    def settings(service: str) -> Settings:
        url = f"sqlite:///{folder / service}.sqlite"
        return Settings(
            service=service,
            profile="demo" if for_browsers else "test",
            database_url=url,
            public_url=server.url if for_browsers else ADDRESS,
            # E-mail and webhooks can be subscribed to; nobody is there to receive any.
            smtp_host="127.0.0.1",
            smtp_port=NOBODY_LISTENS,
            smtp_starttls=False,
            webhooks_allow_private=True,
            demo_password=PASSWORD if for_browsers else "",
            setup_code=setup_code,
        )

    clock = SystemClock()
    with EmbeddedAlliance(server, settings) as alliance, httpx.Client(base_url=server.url, trust_env=False) as http:
        alliance.migrate()
        yield Office(alliance, Api(http, clock, Identifiers(clock), "zh-CN"))


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(" ".join(data.split()))


def _words_of(html: str) -> str:
    parser = _Words()
    parser.feed(html)
    return "\n".join(parser.words)
