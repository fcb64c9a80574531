"""Live parts of pages: a stream of Server-Sent Events that says `changed` when an API would answer otherwise than before.

A page says where (`data-live`), and which of its parts the script takes anew (`data-live-part`):

    <div data-live="{{ live_address }}">           live_address=address_of("/ballots/…/live", ballot)
    return follow(lambda apis: apis.get(…))        the same question as the page's, on the route of that address

The stream carries no content: whoever may see the page gets it from the page. Must not keep a session alive.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Response, request

from services.console.apis import Apis, Away, Refused
from services.console.browser import apis, browser
from services.console.commands.sessions import find_session
from shared.runtime.assembly import Assembly
from shared.runtime.clock import Clock
from shared.web.context import assembly
from shared.web.waiting_places import places

EVENT_STREAM = "text/event-stream"
#: When a browser whose stream ended comes back, in milliseconds.
RECONNECT_MILLISECONDS = 2_000

#: What the API answers now. Raises Away, Refused.
Ask = Callable[[], Any]


@dataclass(frozen=True)
class Pace:
    """How often what is done, in seconds."""

    #: Between two questions. Each is followed by a piece, were it a comment: a browser that has gone is noticed soon,
    #: and a proxy that gives up after a silence hears something, even where an API takes its 8 seconds.
    ask: float = 2.0
    #: Then the browser comes back by itself, with a token that is looked at again.
    life: float = 300.0


class Stream:
    """The pieces of one stream. An object rather than a generator: `close` gives the place back even if nothing was read."""

    def __init__(self, pieces: Generator[bytes], give_back: Callable[[], None]) -> None:
        self._pieces = pieces
        self._give_back = give_back
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """The browser has gone, or the stream has ended."""
        self._pieces.close()
        if self._is_open:
            self._is_open = False
            self._give_back()


def address_of(path: str, answer: Any) -> str:
    """Where a page that shows this answer hears of changes: the stream begins with what the page has."""
    return f"{path}?{urlencode({'seen': fingerprint(answer)})}"


def fingerprint(answer: Any) -> str:
    """Equal for equal answers."""
    return hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()[:32]


def follow(ask: Callable[[Apis], Any], pace: Pace | None = None) -> Response:
    """The stream of a page for people who are signed in; 204 where too many wait in this process already.

    204 tells an EventSource to stay away (HTML, 9.2.3) and is no fault in anybody's books: the page looks by itself later.
    """
    here, house = browser(), assembly()
    here.signed_in()
    if not places.take(house.settings.feed_readers_max):
        return Response(status=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
    mine = apis()
    pieces = tell(
        # A service that was away stays so for one request's Apis: each question has its own.
        ask=lambda: ask(replace(mine, away=set())),
        seen=request.headers.get("Last-Event-ID") or request.args.get("seen", ""),
        is_over=_session_has_ended(house, here.session.secret if here.session else ""),
        pause=_pause(house),
        clock=house.clock,
        pace=pace or Pace(),
    )
    response = Response(Stream(pieces, places.give_back), mimetype=EVENT_STREAM)
    response.headers["Cache-Control"] = "no-store"
    # Tells nginx to hand on every piece as it comes.
    response.headers["X-Accel-Buffering"] = "no"
    return response


def tell(
    *,
    ask: Ask,
    seen: str,
    is_over: Callable[[], bool],
    pause: Callable[[float], None],
    clock: Clock,
    pace: Pace,
) -> Generator[bytes]:
    """The pieces: `changed` with the new fingerprint as its id, and comments in between."""
    began = clock.monotonic()
    yield f"retry: {RECONNECT_MILLISECONDS}\n\n".encode()
    while clock.monotonic() - began < pace.life and not is_over():
        try:
            found = fingerprint(ask())
        except Away:
            found = seen  # perhaps it is there again at the next question
        except Refused:
            return  # the browser comes back and is told in words
        if found != seen:
            seen = found
            yield f"event: changed\nid: {found}\ndata: {{}}\n\n".encode()
        else:
            yield b": nothing new\n\n"
        pause(pace.ask)


def _session_has_ended(house: Assembly, secret: str) -> Callable[[], bool]:
    def is_over() -> bool:
        if house.wakeups.is_stopping:
            return True
        try:
            with house.reading() as look:
                return find_session(look, secret) is None
        except sa.exc.SQLAlchemyError:
            return True  # the browser comes back, and is told in words

    return is_over


def _pause(house: Assembly) -> Callable[[float], None]:
    """Waits, but not beyond the end of the process."""

    def pause(seconds: float) -> None:
        bell: threading.Event = house.wakeups.listener(of_events=True)
        try:
            bell.wait(seconds)
        finally:
            house.wakeups.forget(bell)

    return pause
