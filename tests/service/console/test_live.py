"""Live parts: a stream says that something has changed, ends with the session, and leaves threads for pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.console.apis import Away, Refused
from services.console.browser import SESSION_COOKIE
from services.console.commands.sessions import IDLE, find_session
from services.console.pages.live import Pace, Stream, address_of, fingerprint, tell
from services.console.sealing import digest_of
from services.console.tables import sessions
from shared.runtime.clock import ManualClock
from tests.builders.console import ADDRESS, Office, Visitor

NOWHERE = "/ballots/none/live"


class Story:
    """What an API answers, question by question; the last answer stays."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    def __call__(self) -> Any:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def pieces(ask: Callable[[], Any], seen: str, is_over: Callable[[], bool] = lambda: False) -> Iterator[str]:
    """The stream's pieces without its head, in a time that only its own pauses let pass."""
    clock = ManualClock(datetime(2026, 3, 2, tzinfo=UTC))
    told = tell(ask=ask, seen=seen, is_over=is_over, pause=clock.advance, clock=clock, pace=Pace())
    head = next(told)
    assert head.startswith(b"retry: ")
    return (piece.decode() for piece in told)


def test_a_change_is_told_once_and_nothing_new_is_said_in_between() -> None:
    told = pieces(Story({"votes": 1}, {"votes": 1}, {"votes": 2}, {"votes": 2}), fingerprint({"votes": 1}))

    first, second, third, fourth = (next(told) for _ in range(4))

    assert first == second == fourth == ": nothing new\n\n"
    assert third == f"event: changed\nid: {fingerprint({'votes': 2})}\ndata: {{}}\n\n"


def test_what_changed_between_the_page_and_its_stream_is_told_at_once() -> None:
    assert next(pieces(Story({"votes": 2}), fingerprint({"votes": 1}))).startswith("event: changed")


def test_a_stream_ends_after_five_minutes_so_that_the_browser_comes_back() -> None:
    assert len(list(pieces(Story({}), fingerprint({})))) == 150


def test_a_stream_survives_a_service_that_is_away_for_a_while() -> None:
    told = pieces(Story(Away("meetings"), {"votes": 2}), fingerprint({"votes": 1}))

    assert next(told).startswith(":")
    assert next(told).startswith("event: changed")


def test_a_stream_ends_when_the_answer_is_refused() -> None:
    assert list(pieces(Story(Refused("meetings", 401, {})), "")) == []


def test_a_stream_ends_with_the_session() -> None:
    over = iter([False, False, True])

    assert len(list(pieces(Story({}), fingerprint({}), is_over=lambda: next(over)))) == 2


def test_a_place_is_given_back_once_even_where_nothing_was_read() -> None:
    given: list[str] = []
    stream = Stream(tell_nothing(), lambda: given.append("back"))

    stream.close()
    stream.close()

    assert given == ["back"]


def tell_nothing() -> Any:
    clock = ManualClock(datetime(2026, 3, 2, tzinfo=UTC))
    return tell(ask=dict, seen="", is_over=lambda: True, pause=clock.advance, clock=clock, pace=Pace())


def test_a_page_tells_the_stream_what_it_shows() -> None:
    assert address_of("/ballots/b/live", {"a": 1, "b": 2}) == address_of("/ballots/b/live", {"b": 2, "a": 1})
    assert address_of("/ballots/b/live", {"a": 1}) != address_of("/ballots/b/live", {"a": 2})


# ------------------------------------------------------------ through the console
def open_stream(visitor: Visitor, path: str = NOWHERE) -> Any:
    headers = {"Accept": "text/event-stream", "Accept-Language": visitor.language}
    return visitor.client.get(path, base_url=ADDRESS, headers=headers, buffered=False)


def test_a_stream_is_for_people_who_are_signed_in(office: Office) -> None:
    response = open_stream(office.visitor())

    assert response.status_code == 303
    assert response.headers["Location"].startswith("/sign-in")


def test_a_stream_of_something_that_is_not_there_ends_at_once(office: Office) -> None:
    response = open_stream(office.signed_in("lusong"))

    assert response.mimetype == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert [piece.partition(b":")[0] for piece in response.response] == [b"retry"]
    response.close()


def test_where_too_many_wait_already_the_browser_is_sent_away_in_peace(office: Office) -> None:
    visitor = office.signed_in("lusong")
    maximum = office.assembly.settings.feed_readers_max
    taken = [response for response in (open_stream(visitor) for _ in range(maximum)) if response.status_code == 200]

    refused = open_stream(visitor)
    for response in taken:
        response.close()
    again = open_stream(visitor)
    again.close()

    assert len(taken) == maximum
    assert refused.status_code == 204
    assert again.status_code == 200


@pytest.mark.parametrize("by_itself", [{"X-Live": "1"}, {"Accept": "text/event-stream"}])
def test_a_page_that_asks_by_itself_does_not_keep_the_session_alive(office: Office, by_itself: dict[str, str]) -> None:
    # given somebody who has not clicked for a while
    visitor = office.signed_in("lusong")
    cookie = visitor.client.get_cookie(SESSION_COOKIE, domain="alliance.example")
    assert cookie is not None
    secret = cookie.value
    long_ago = office.assembly.clock.now() - IDLE / 2
    with office.assembly.begin() as work:
        mine = sessions.c.session_digest == digest_of(secret)
        work.execute(sa.update(sessions).where(mine).values(seen_at=long_ago))

    def seen_since() -> bool:
        with office.assembly.reading() as look:
            session = find_session(look, secret)
        assert session is not None
        return session.seen_at > long_ago + timedelta(seconds=1)

    # when the page's script asks, then a click
    visitor.get("/style", **by_itself)
    by_script = seen_since()
    visitor.get("/style")

    # then only the click counts
    assert not by_script
    assert seen_since()
