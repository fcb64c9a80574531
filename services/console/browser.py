"""The browser behind a request: its cookies, its language, who is signed in, and whether a form came from our pages.

One object a request, in `g.browser`. Shows nothing and decides no rule of the alliance.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from services.console.apis import Apis, Away, Line, Refused
from services.console.commands import sessions
from services.console.commands.drafts import drop_draft, find_draft, keep_draft
from services.console.commands.sessions import Session
from services.console.sealing import SECRET, fits_form, form_token
from shared.runtime.assembly import Assembly
from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES
from shared.web.context import assembly

EXTENSION = "lianmeng console"
#: `__Host-`: from this host only, over https only (browsers take 127.0.0.1 for safe), for every path.
SESSION_COOKIE = "__Host-lianmeng-session"
VISITOR_COOKIE = "__Host-lianmeng-visitor"
LANGUAGE_COOKIE = "lianmeng-language"
#: How long browsers keep a visitor's cookie and the language: as long as a draft, and a year, in seconds.
VISITOR_SECONDS, LANGUAGE_SECONDS = 30 * 86_400, 365 * 86_400
CLIENT_ID = "console"
#: The token of a vote must come from a password given so lately (meetings asks for 10 minutes; the rest is for reading).
STEP_UP = timedelta(minutes=8)
#: How long a page waits for another page's renewal of the same token, in seconds, looking so often.
RENEWAL_WAIT_SECONDS, RENEWAL_LOOK_SECONDS = 5.0, 0.05


#: What is answered without asking who it is for.
NO_PAGES = {"static_file", "script_file", "health", "health_live", "health_ready", "metrics"}


View = TypeVar("View", bound=Callable[..., Any])


class SignInNeeded(Exception):
    """The page is for people who are signed in. `ended`: the browser came with a session that has ended."""

    def __init__(self, *, ended: bool = False) -> None:
        super().__init__("signed out")
        self.ended = ended


class FormRefused(HTTPException):
    """A change that no page of ours asked for, or one made for another session."""

    code = 403
    description = "form.refused"


@dataclass(frozen=True)
class Person:
    """Who is signed in, as membership says."""

    account_id: str
    username: str
    name: str
    roles: frozenset[str]
    member: Mapping[str, Any] | None

    def has(self, *roles: str) -> bool:
        """Whether the person holds one of the roles."""
        return not self.roles.isdisjoint(roles)

    @property
    def member_id(self) -> str | None:
        """The unit the person acts for."""
        return str(self.member["member_id"]) if self.member else None


class Browser:
    """See the module."""

    def __init__(self, house: Assembly, line: Line) -> None:
        self._house = house
        self.language = self._language()
        self.visitor = _secret_in(VISITOR_COOKIE) or house.ids.secret()
        self._knows_visitor = VISITOR_COOKIE in request.cookies
        self._needs_visitor = False
        self._new_session: str | None = None
        given = _secret_in(SESSION_COOKIE)
        self.had_session = SESSION_COOKIE in request.cookies
        self.session = self._load(given) if given else None
        self.apis = Apis(line, self._headers())
        self.person: Person | None = None
        #: The rest of an event stream or page ended because the session did.
        self.has_ended = self.had_session and self.session is None

    # ------------------------------------------------------------ who
    def identify(self) -> None:
        """Ask membership who this is and whether the session still holds; while it is away, what it said last."""
        if self.session is None:
            return
        try:
            self._renew_in_time()
            self._set_token()
            said = self.apis.get("membership", "me")
        except Away:
            said = self.session.person
        except Refused as refused:
            if refused.status not in (400, 401):
                raise
            self._forget()
            return
        if said != self.session.person:
            with self._house.begin() as work:
                sessions.note_person(work, self.session, said)
        self.person = _person_of(said)

    def signed_in(self) -> Person:
        """The person, or SignInNeeded."""
        if self.person is None:
            raise SignInNeeded(ended=self.has_ended)
        return self.person

    @property
    def is_recent(self) -> bool:
        """Whether the password was given lately enough for a vote."""
        if self.session is None:
            return False
        return self._house.clock.now().timestamp() - self.session.authenticated_at < STEP_UP.total_seconds()

    def sign_in(self, granted: dict[str, Any]) -> None:
        """Begin a session with what membership granted, in place of any before."""
        self._end_here()
        if self.session is not None:
            self._revoke(self.session)
        self.apis.headers["Authorization"] = f"Bearer {granted['access_token']}"
        person = self.apis.get("membership", "me")
        secret = self._house.ids.secret()
        with self._house.begin() as work:
            self.session = sessions.begin_session(work, secret, granted, person)
        self._new_session = secret
        self.person = _person_of(person)

    def sign_out(self, *, everywhere: bool = False) -> None:
        """End the session here, and in every other browser where asked."""
        session = self.session
        if session is None:
            return
        if everywhere:
            self.apis.delete("membership", "me/sessions")
            with self._house.begin() as work:
                sessions.end_sessions_of(work, session.account_id)
        self._end_here()
        self._revoke(session)
        self.session, self.person, self._new_session = None, None, ""

    def _forget(self) -> None:
        self._end_here()
        self.session, self.person, self._new_session, self.has_ended = None, None, "", True

    def _revoke(self, session: Session) -> None:
        form = {"token": session.refresh_token, "client_id": CLIENT_ID}
        with contextlib.suppress(Away):  # it ends by itself within the half hour; here it has ended
            self.apis.line.send("membership", "POST", "/api/membership/v1/oauth/revoke", data=form)

    def _end_here(self) -> None:
        if self.session is not None:
            with self._house.begin() as work:
                sessions.end_session(work, self.session.secret)

    def _load(self, secret: str) -> Session | None:
        with self._house.reading() as reading:
            found = sessions.find_session(reading, secret)
        is_due = found is not None and self._house.clock.now() - found.seen_at > sessions.SEEN_STEP
        if is_due and not _comes_by_itself():
            with self._house.begin() as work:
                sessions.note_seen(work, secret)
        return found

    # ------------------------------------------------------------ the token
    def _renew_in_time(self) -> None:
        assert self.session is not None
        now = self._house.clock.now()
        if self.session.token_ends_at - now > sessions.RENEW_EARLY:
            return
        with self._house.begin() as work:
            claimed = sessions.claim_renewal(work, self.session)
        if claimed:
            self._renew(self.session)
        elif self.session.token_ends_at <= now:
            self._await_renewal(self.session)

    def _renew(self, session: Session) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": session.refresh_token, "client_id": CLIENT_ID}
        try:
            answer = self.apis.line.send("membership", "POST", "/api/membership/v1/oauth/token", data=form)
            if not answer.is_success:
                raise Refused("membership", answer.status_code, {"code": "session.ended"})
        except Away:
            with self._house.begin() as work:
                sessions.release_renewal(work, session)
            if session.token_ends_at <= self._house.clock.now():
                raise
            return
        with self._house.begin() as work:
            self.session = sessions.renew_session(work, session, answer.json())

    def _await_renewal(self, session: Session) -> None:
        """Another page of the same browser is getting the new token."""
        pause, clock = threading.Event(), self._house.clock
        deadline = clock.monotonic() + RENEWAL_WAIT_SECONDS
        while clock.monotonic() < deadline:
            with self._house.reading() as reading:
                found = sessions.find_session(reading, session.secret)
            if found is None or found.token_ends_at != session.token_ends_at:
                self.session = found or session
                return
            pause.wait(RENEWAL_LOOK_SECONDS)

    def _set_token(self) -> None:
        assert self.session is not None
        self.apis.headers["Authorization"] = f"Bearer {self.session.token}"

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Language": self.language, "X-Request-ID": g.request_id}
        if request.remote_addr:
            # What the services count guesses by is the person's address, not ours.
            headers["X-Forwarded-For"] = request.remote_addr
        return headers

    # ------------------------------------------------------------ forms and drafts
    @property
    def form_token(self) -> str:
        """What this browser's forms carry."""
        if self.session is not None:
            return form_token(self.session.secret)
        self._needs_visitor = True
        return form_token(self.visitor)

    def ensure_own_form(self) -> None:
        """Refuse a change that was not asked for on a page of ours, for this very session."""
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        origin = request.headers.get("Origin")
        if site != "same-origin" or (origin is not None and urlsplit(origin).netloc != request.host):
            raise FormRefused
        secret = self.session.secret if self.session is not None else self.visitor
        if not fits_form(secret, request.form.get("form_token", "")):
            raise FormRefused

    def draft(self, name: str) -> Any:
        """What this browser's visitor has typed and not sent, or None."""
        if not self._knows_visitor:
            return None
        with self._house.reading() as reading:
            return find_draft(reading, self.visitor, name)

    def keep_draft(self, name: str, content: Any) -> None:
        """Keep what was typed."""
        self._needs_visitor = True
        with self._house.begin() as work:
            keep_draft(work, self.visitor, name, content)

    def drop_draft(self, name: str) -> None:
        """Forget what was typed."""
        with self._house.begin() as work:
            drop_draft(work, self.visitor, name)

    # ------------------------------------------------------------ language and cookies
    @staticmethod
    def _language() -> str:
        chosen = request.cookies.get(LANGUAGE_COOKIE)
        if chosen in LANGUAGES:
            return chosen
        return request.accept_languages.best_match(LANGUAGES, DEFAULT_LANGUAGE)

    def set_cookies(self, response: Response) -> None:
        """What the browser is to remember."""
        if self._needs_visitor:
            _set(response, VISITOR_COOKIE, self.visitor, VISITOR_SECONDS)
        if self._new_session:
            _set(response, SESSION_COOKIE, self._new_session, None)
        elif self._new_session == "" or (self.had_session and self.session is None):
            _set(response, SESSION_COOKIE, "", 0)


def browser() -> Browser:
    """The browser behind this request."""
    found = g.browser
    assert isinstance(found, Browser)
    return found


def apis() -> Apis:
    """The APIs, for whoever is asking."""
    return browser().apis


def person() -> Person:
    """Who is signed in; SignInNeeded otherwise."""
    return browser().signed_in()


def for_roles(*roles: str) -> Callable[[View], View]:
    """A page for people with one of the roles; without any, for everybody who is signed in.

    The APIs decide what anybody may do; this only spares people a page on which nothing would work.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def shown(*args: Any, **kwargs: Any) -> Any:
            who = person()
            if roles and not who.has(*roles):
                raise NotYours
            return view(*args, **kwargs)

        return cast("View", shown)

    return decorate


class NotYours(HTTPException):
    """A page for other roles."""

    code = 403
    description = "page.not_yours"


def open_browser() -> None:
    """Before every page: who is it, and is the change theirs?"""
    if request.endpoint in NO_PAGES:
        return
    g.browser = Browser(assembly(), current_app.extensions[EXTENSION])
    g.browser.identify()
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        g.browser.ensure_own_form()


def _comes_by_itself() -> bool:
    """Whether the page's script asks, not the person: an open page must not keep a session alive."""
    return "X-Live" in request.headers or "text/event-stream" in request.headers.get("Accept", "")


def _secret_in(cookie: str) -> str | None:
    given = request.cookies.get(cookie, "")
    return given if SECRET.fullmatch(given) else None


def _set(response: Response, name: str, value: str, seconds: int | None) -> None:
    # Lax: the way back from the sign-in page is a link from outside as far as the browser can tell.
    response.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="Lax")


def _person_of(said: Mapping[str, Any]) -> Person:
    return Person(
        account_id=str(said["account_id"]),
        username=str(said["username"]),
        name=str(said["name"]),
        roles=frozenset(said["roles"]),
        member=said["member"],
    )
