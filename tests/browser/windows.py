"""A window of the browser: of one size, in one language, with one person at it at a time.

What it shows is looked at when the test says so; pictures are kept in var/screenshots. Everything found is collected,
so that one run tells all; the fixture that opened the window fails the test at the end.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

import services.console
from deploy.embedded.api_client import Api
from services.console.browser import SESSION_COOKIE
from tests.browser.looking import faults_of_page
from tests.builders.console import PASSWORD, Office

#: Whoever runs these tests twice at a time gives each run a folder of its own.
FOLDER = Path(os.environ.get("LIANMENG_SCREENSHOTS") or Path(__file__).parents[2] / "var" / "screenshots")
#: How old a session may get before the console would ask for the password again, in seconds; a token ends after twice that.
SESSION_SECONDS = 300.0
#: How long a page may take to do what is waited for, in milliseconds: a busy machine of two cores.
PATIENCE_MS = 20_000

TEMPLATES = Path(services.console.__file__).parent / "templates"
ASKED_FOR = re.compile(r'say\("([a-z_]+)\.')
#: How many pictures there are in each folder.
_pictures: dict[str, itertools.count[int]] = {}


@dataclass(frozen=True)
class Look:
    """How a window looks: what a person has in hand."""

    language: str = "zh-CN"
    width: int = 1280
    height: int = 900
    dark: bool = False
    scripts: bool = True
    #: Whether pages are looked at: a story that another window has shown is only told.
    watched: bool = True
    #: Of the folder for pictures, beside language and width.
    name: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.language, str(self.width), self.name)))


@dataclass
class House:
    """The alliance that is browsed, and what was made once for all windows."""

    office: Office
    browser: Browser
    axe_script: str = field(repr=False)
    _sessions: dict[str, tuple[str, float]] = field(default_factory=dict)
    _callers: dict[str, tuple[Api, float]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.office.alliance.url

    def session_of(self, username: str) -> str:
        """A session of the person that is young enough for a vote."""
        secret, since = self._sessions.get(username, ("", 0.0))
        if time.monotonic() - since > SESSION_SECONDS or not secret:
            secret = self.office.session_of(username)
            self._sessions[username] = secret, time.monotonic()
        return secret

    def signed_in(self, username: str) -> Api:
        """Somebody at the APIs themselves."""
        caller, since = self._callers.get(username, (None, 0.0))
        if caller is None or time.monotonic() - since > SESSION_SECONDS:
            caller = self.office.api.signed_in(username, PASSWORD)
            self._callers[username] = caller, time.monotonic()
        return caller

    def next_picture(self, look: Look, name: str) -> Path:
        """Where the next picture goes; the first of a kind empties its folder."""
        folder = FOLDER / str(look)
        folder.mkdir(parents=True, exist_ok=True)
        if str(look) not in _pictures:
            for old in folder.glob("*.png"):
                old.unlink()
            _pictures[str(look)] = itertools.count(1)
        return folder / f"{next(_pictures[str(look)]):03}-{name}.png"

    @cached_property
    def prefixes(self) -> set[str]:
        """How the keys of the console's and membership's catalogues begin, and those that templates ask for."""
        alliance = self.office.alliance
        catalogues = (alliance.console_assembly.texts, alliance.assemblies["membership"].texts)
        known = {code.partition(".")[0] for texts in catalogues for code in texts._catalogues["zh-CN"]}
        return known | {
            code for file in TEMPLATES.glob("*.html") for code in ASKED_FOR.findall(file.read_text("utf-8"))
        }


class Window:
    """See the module."""

    def __init__(self, house: House, look: Look) -> None:
        self.house = house
        self.kind = look
        self.findings: list[str] = []
        self.context: BrowserContext = house.browser.new_context(
            base_url=house.url,
            viewport={"width": look.width, "height": look.height},
            locale=look.language,
            timezone_id="Asia/Shanghai",
            color_scheme="dark" if look.dark else "light",
            java_script_enabled=look.scripts,
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.on("request", self._note_request)
        self.context.on("response", self._note_response)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self._find([f"script: {error}"]))
        self._refused: set[str] = set()

    # ------------------------------------------------------------ who, where
    def say(self, code: str, **params: object) -> str:
        """A text of the console's catalogue, in the window's language."""
        return self.house.office.assembly.texts.render(code, self.kind.language, **params)

    def become(self, username: str) -> None:
        """Let this person sit down here, signed in a moment ago; nobody, where the name is empty."""
        self.context.clear_cookies()
        if username:
            self.hold(self.house.session_of(username))

    def hold(self, secret: str) -> None:
        """Have the cookie of a session."""
        # As https: Chromium takes this machine for safe, but not the hand that gives it a cookie.
        safe = self.house.url.replace("http:", "https:")
        cookie = {"name": SESSION_COOKIE, "value": secret, "url": safe, "secure": True, "httpOnly": True}
        self.context.add_cookies([cookie])  # type: ignore[list-item] # a dict of that shape

    def open(self, path: str, status: int = 200) -> None:
        """Go to an address of the house."""
        response = self.page.goto(path)
        assert response is not None
        assert response.status == status, f"{path} answers {response.status}"

    # ------------------------------------------------------------ what is seen
    def look(self, name: str) -> None:
        """Keep a picture of the page and note everything that is wrong with it."""
        if not self.kind.watched:
            return
        picture = self.house.next_picture(self.kind, name)
        # Not by Playwright's own hand, which leaves threads behind.
        picture.write_bytes(self.page.screenshot(full_page=True, animations="disabled"))
        axe_script = self.house.axe_script if self.kind.scripts else ""
        self._find(
            faults_of_page(self.page, axe_script, self.kind.language, self.house.prefixes),
            f"{picture.parent.name}/{picture.name} ({urlsplit(self.page.url).path})",
        )

    def _find(self, faults: Iterable[str], where: str = "") -> None:
        where = where or f"{self.kind} {self.page.url}"
        self.findings += [f"{where}: {fault}" for fault in faults]

    def _note_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme != "data" and f"{address.scheme}://{address.netloc}" != self.house.url:
            self._find([f"asks another host: {request.url}"])

    def _note_response(self, response: Response) -> None:
        if response.status >= 400 and response.request.is_navigation_request():
            self._refused.add(response.url)

    def _note_message(self, message: ConsoleMessage) -> None:
        # Chromium itself reports every answer of 400 and more; for pages the test says what it expects.
        expected = message.text.startswith("Failed to load resource") and message.location["url"] in self._refused
        if message.type in ("error", "warning") and not expected:
            self._find([f"console {message.type}: {message.text}"])
