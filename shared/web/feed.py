"""`GET /api/<service>/v1/events`: the service's feed over HTTP, for operators and trusted platforms.

Three ways to read, one address: a page; a page that waits for the next event (`wait`); a stream of Server-Sent Events
(`Accept: text/event-stream`). A waiting reader holds a thread and nothing else: it looks at the database when a commit
rings or a short pause ends, and lets go of the connection in between. Places for them are few (`feed_readers_max`),
counted over all services of the process, so that they cannot take every thread.

Closed to the public: an event says less than the API shows to its roles, but the feed says it of everybody at once.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sa
from flask import Response, request
from flask.views import MethodView
from marshmallow import fields, validate

from shared.errors import Fault, Invalid, Refusal, Unavailable
from shared.messaging import feed
from shared.runtime.assembly import Assembly
from shared.runtime.logging import get_logger
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly
from shared.web.schemas import WHOLE_NUMBER_MAX, RequestSchema, ResponseSchema
from shared.web.waiting_places import places

#: The role of people, and the scope of platforms, that may read everything that happens.
OPERATOR = "operator"
SCOPE = "events:read"

LIMIT_DEFAULT = 100
#: Longest wait of one request, in seconds; below the time-outs of gunicorn's clients and the gateway (35 s).
WAIT_SECONDS_MAX = 30
#: Pauses between two looks of a reader who waits, in seconds; the last repeats. A commit comes a few milliseconds
#: before its event gets a number, so a ring begins the row anew.
PAUSES_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.25)
#: Life of a stream, in seconds. Then the client comes back by itself, with a token that is looked at again.
STREAM_SECONDS = 300.0
#: A stream with nothing to tell says so this often, in seconds: a dead connection is noticed, a proxy kept awake.
HEARTBEAT_SECONDS = 10.0
#: When the client of a stream that ended comes back, in milliseconds.
RECONNECT_MILLISECONDS = 1_000
#: What a reader for whom there is no place should wait, in seconds.
RETRY_AFTER_SECONDS = 5

EVENT_STREAM = "text/event-stream"

log = get_logger(__name__)

blueprint = Blueprint(
    "events", __name__, url_prefix="/events", description="Everything the service has told, in the order of telling"
)


class FeedQuery(RequestSchema):
    """Where to begin and what to tell."""

    after = fields.Integer(
        load_default=0,
        validate=validate.Range(min=0, max=WHOLE_NUMBER_MAX),
        metadata={"description": "`next` of the page before; 0 begins at the first event"},
    )
    types = fields.String(
        load_default="",
        validate=validate.Length(max=4_000),
        metadata={"description": "event types, separated by commas; without it, all"},
    )
    limit = fields.Integer(
        load_default=LIMIT_DEFAULT,
        validate=validate.Range(min=1, max=feed.LIMIT_MAX),
        metadata={"description": "events on the page"},
    )
    wait = fields.Integer(
        load_default=0,
        validate=validate.Range(min=0, max=WAIT_SECONDS_MAX),
        metadata={"description": "seconds to wait for an event where there is none yet"},
    )


class FeedItem(ResponseSchema):
    """One event of the feed."""

    number = fields.Integer(required=True, metadata={"description": "its place in the feed"})
    event = fields.Dict(
        keys=fields.String(), required=True, metadata={"description": "the envelope as it was published (CloudEvents)"}
    )


class FeedPage(ResponseSchema):
    """Events, and how far the reader has come."""

    items = fields.List(fields.Nested(FeedItem), required=True)
    next = fields.Integer(
        required=True, metadata={"description": "`after` of the next request; past events of other types, too"}
    )
    head = fields.Integer(
        required=True, metadata={"description": "number of the newest event; equal to `next` at the end"}
    )


@dataclass(frozen=True)
class _Wish:
    """What one reader wants of one service's feed."""

    assembly: Assembly
    types: tuple[str, ...]
    limit: int

    def read(self, after: int) -> feed.Page:
        with self.assembly.reading() as look:
            return feed.read(look, after, types=self.types, limit=self.limit)

    def head(self) -> int:
        with self.assembly.reading() as look:
            return feed.bounds(look).head


@blueprint.route("")
class Events(MethodView):
    @access(roles={OPERATOR}, scopes={SCOPE})
    @blueprint.arguments(FeedQuery, location="query")
    @blueprint.response(200, FeedPage)
    @blueprint.alt_response(410, "GONE")
    @blueprint.alt_response(503, "SERVICE_UNAVAILABLE")
    def get(self, query: dict[str, Any]) -> Response:
        """Events behind `after`, oldest first; with `Accept: text/event-stream` as a stream of Server-Sent Events.

        In a stream, `id` is the event's number, `event` its type, `data` the envelope; it ends after five minutes, and a
        client that comes back with `Last-Event-ID` misses nothing. 410: events behind `after` were removed for their
        age. 503: too many readers wait already.
        """
        wish = _Wish(assembly(), _types_of(query["types"]), query["limit"])
        if request.method == "GET" and _wants_stream():
            return _stream(wish, _last_event_id(query["after"]))
        return _page(_read_waiting(wish, query["after"], float(query["wait"])))


def _wants_stream() -> bool:
    return request.accept_mimetypes.best_match(["application/json", EVENT_STREAM]) == EVENT_STREAM


def _types_of(text: str) -> tuple[str, ...]:
    wanted = tuple(each.strip() for each in text.split(",")) if text else ()
    known = assembly().service.publishes
    faults = [
        Fault("feed.unknown_type", "types", {"type": each[:120], "known": ", ".join(sorted(known))})
        for each in wanted
        if each not in known
    ]
    if faults:
        raise Invalid.of(faults[:20])
    return wanted


def _last_event_id(after: int) -> int:
    """Where a stream goes on: a client that comes back says so in a header, over the address it was given."""
    text = request.headers.get("Last-Event-ID", "")
    if not text:
        return after
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= WHOLE_NUMBER_MAX):
        raise Invalid("feed.no_number", field="Last-Event-ID")
    return int(text)


def _page(page: feed.Page) -> Response:
    # The envelopes as they lie in the outbox, byte for byte: nothing is read and written anew on the way.
    items = ",".join(f'{{"number":{entry.number},"event":{entry.envelope}}}' for entry in page.entries)
    body = f'{{"items":[{items}],"next":{page.next},"head":{page.head}}}\n'
    return Response(body, mimetype="application/json")


def _read_waiting(wish: _Wish, after: int, seconds: float) -> feed.Page:
    """The page; an empty one only after so many seconds, or at once where no place is left to wait."""
    page = wish.read(after)
    if page.entries or not seconds or not places.take(wish.assembly.settings.feed_readers_max):
        return page
    try:
        with _Watch(wish) as watch:
            ends = wish.assembly.clock.monotonic() + seconds
            while not page.entries and watch.grows_beyond(page.next, ends):
                page = wish.read(page.next)
    finally:
        places.give_back()
    return page


class _Watch:
    """Waiting for a feed to grow, for the length of a `with` block."""

    def __init__(self, wish: _Wish) -> None:
        self._wish = wish
        self._wakeups = wish.assembly.wakeups
        self._clock = wish.assembly.clock
        self._bell = threading.Event()

    def __enter__(self) -> Self:
        self._bell = self._wakeups.listener(of_events=True)
        self._wakeups.hear_other_processes()
        return self

    def __exit__(self, *_: object) -> None:
        self._wakeups.forget(self._bell)

    def grows_beyond(self, number: int, ends: float) -> bool:
        """True as soon as the feed has more than `number`; False when `ends` (by the monotonic clock) has come."""
        pauses = 0
        while self._wish.head() <= number:
            left = ends - self._clock.monotonic()
            if left <= 0 or self._wakeups.is_stopping:
                return False
            if self._bell.wait(min(PAUSES_SECONDS[pauses], left)):
                self._bell.clear()
                # Not at once: the ring is the commit's, and the number comes with the relay. Also, a busy service
                # rings all the time.
                self._bell.wait(PAUSES_SECONDS[0])
                pauses = 0
            else:
                pauses = min(pauses + 1, len(PAUSES_SECONDS) - 1)
        return True


def _stream(wish: _Wish, after: int) -> Response:
    if not places.take(wish.assembly.settings.feed_readers_max):
        raise Unavailable("feed.readers_full", retry_after_seconds=RETRY_AFTER_SECONDS)
    try:
        # Refusals belong into an answer of their own: once a stream has begun, it can only end.
        first = wish.read(after)
    except BaseException:
        places.give_back()
        raise
    response = Response(_Told(wish, first), mimetype=EVENT_STREAM)
    # Tells nginx to hand on every piece as it comes.
    response.headers["X-Accel-Buffering"] = "no"
    return response


class _Told:
    """The pieces of a stream. An object rather than a generator: `close` gives the place back even if nothing was read."""

    def __init__(self, wish: _Wish, first: feed.Page) -> None:
        self._pieces = _pieces(wish, first)
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        self._pieces.close()
        if self._is_open:
            self._is_open = False
            places.give_back()


def _pieces(wish: _Wish, page: feed.Page) -> Generator[bytes]:
    clock = wish.assembly.clock
    ends = clock.monotonic() + STREAM_SECONDS
    yield f"retry: {RECONNECT_MILLISECONDS}\n\n".encode()
    try:
        with _Watch(wish) as watch:
            while True:
                yield _told(page)
                if not page.is_last or watch.grows_beyond(page.next, min(ends, clock.monotonic() + HEARTBEAT_SECONDS)):
                    page = wish.read(page.next)
                elif clock.monotonic() >= ends or wish.assembly.wakeups.is_stopping:
                    return
                else:
                    page = feed.Page((), page.next, page.head, page.pruned_to)
    except (sa.exc.SQLAlchemyError, Refusal) as error:
        # The client comes back and is told in words.
        log.warning("feed.stream_ended", error=type(error).__name__)


def _told(page: feed.Page) -> bytes:
    """The events of a page, and where the reader is. An `id` without data moves a client on past other types."""
    told = [f"id: {entry.number}\nevent: {entry.type}\ndata: {entry.envelope}\n\n" for entry in page.entries]
    return "".join([*told, f": read up to {page.next}\nid: {page.next}\n\n"]).encode()
