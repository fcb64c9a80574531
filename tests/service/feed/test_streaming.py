"""The feed as Server-Sent Events: a real server process under gunicorn, a real client over TCP."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from shared.runtime.assembly import Assembly
from shared.runtime.clock import SystemClock
from tests.deployment.process import Process, base_environment
from tests.fixtures.assemblies import MakeAssembly, bearer
from tests.servers.ports import HOST, free_port
from tests.service.feed.driver import OPENED, POSTED, tell
from tests.waiting import wait_until

#: Streams and waiting pages that the server under test lets wait; fewer than its threads.
READERS_MAX = 2


@dataclass
class Server:
    """Finance behind gunicorn; the test writes to the same database."""

    assembly: Assembly
    url: str
    client: httpx.Client = field(repr=False)

    def headers(self, **more: str) -> dict[str, str]:
        return {**bearer(self.assembly, roles=["operator"]), "Accept": "text/event-stream", **more}

    @contextmanager
    def stream(self, query: str = "", **headers: str) -> Iterator[httpx.Response]:
        with self.client.stream("GET", self.url + query, headers=self.headers(**headers)) as response:
            yield response


@pytest.fixture
def server(make_assembly: MakeAssembly, tmp_path: Path) -> Iterator[Server]:
    assembly = make_assembly("finance", clock=SystemClock())
    port = free_port()
    environment = {
        **base_environment(),
        "LIANMENG_SERVICE": "finance",
        "LIANMENG_PROFILE": "test",
        "LIANMENG_DATABASE_URL": assembly.settings.database_url,
        "LIANMENG_FEED_READERS_MAX": str(READERS_MAX),
        "LIANMENG_DATABASE_POOL_SIZE": "1",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "--bind", f"{HOST}:{port}"]
    command += ["--workers", "1", "--threads", "4", "--graceful-timeout", "1", "shared.web.wsgi:application()"]
    process = Process("finance-web", command, environment, tmp_path)
    with httpx.Client(timeout=20, trust_env=False) as client:
        try:
            wait_until(
                lambda: client.get(f"http://{HOST}:{port}/health/ready").status_code == 200,
                f"finance serving\n{process.log()}",
                ignoring=(httpx.HTTPError,),
            )
            yield Server(assembly, f"http://{HOST}:{port}/api/finance/v1/events", client)
        finally:
            process.stop()


def blocks(response: httpx.Response) -> Iterator[dict[str, str]]:
    """The stream's blocks as a browser would read them; a comment is kept under the empty name."""
    block: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(":")
            block[name] = value.strip()
        elif block:
            yield block
            block = {}


def events(response: httpx.Response) -> Iterator[dict[str, str]]:
    """The stream's events, without what is in between."""
    return (block for block in blocks(response) if "data" in block)


def test_a_stream_tells_what_was_and_what_comes(server: Server) -> None:
    # given two events, and a reader who has had the first
    tell(server.assembly, 1, 2)

    with server.stream("?after=1") as response:
        # when a third follows
        told = events(response)
        second = next(told)
        tell(server.assembly, 3)
        told_at = SystemClock().monotonic()
        third = next(told)

    # then both come, numbered, with their types and whole envelopes, the new one within a moment
    assert SystemClock().monotonic() - told_at < 2
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["X-Accel-Buffering"] == "no"
    assert [(each["id"], each["event"]) for each in (second, third)] == [("2", OPENED), ("3", OPENED)]
    assert json.loads(third["data"])["subject"] == "account-3"


def test_a_client_that_comes_back_goes_on_where_it_was(server: Server) -> None:
    tell(server.assembly, 1, 2, 3)

    with server.stream("?after=0", **{"Last-Event-ID": "2"}) as response:
        event = next(events(response))

    assert event["id"] == "3"


def test_a_stream_of_another_type_says_how_far_it_is(server: Server) -> None:
    # given events of a type that the reader does not want
    tell(server.assembly, 1, 2)

    # when it streams another type
    with server.stream(f"?types={POSTED}") as response:
        told = blocks(response)
        beginning, place = next(told), next(told)

    # then a block without data moves it on: a client that reconnects does not begin anew
    assert beginning == {"retry": "1000"}
    assert place == {"": "read up to 2", "id": "2"}


def test_refusals_are_answers_and_no_streams(server: Server) -> None:
    tell(server.assembly, 1)
    asked = [
        server.client.get(f"{server.url}?types=nothing", headers=server.headers()),
        server.client.get(server.url, headers=server.headers(**{"Last-Event-ID": "two"})),
        server.client.get(f"{server.url}?after=5", headers=server.headers()),
        server.client.get(server.url, headers={"Accept": "text/event-stream"}),
    ]

    assert [answer.status_code for answer in asked] == [422, 422, 422, 401]
    assert {answer.headers["Content-Type"] for answer in asked} == {"application/problem+json"}


def test_streams_leave_threads_for_everybody_else(server: Server) -> None:
    with server.stream() as first, server.stream() as second:
        # given as many streams as there are places
        assert (next(blocks(first)), next(blocks(second))) == ({"retry": "1000"},) * 2

        # when one more comes
        refused = server.client.get(server.url, headers=server.headers())
        page = server.client.get(server.url, headers={**server.headers(), "Accept": "application/json"})

        # then it is sent away with a time to come back, and plain reading goes on
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert refused.json()["code"] == "feed.readers_full"
        assert page.status_code == 200


def test_a_stream_that_its_reader_leaves_gives_its_place_back(server: Server) -> None:
    for _ in range(READERS_MAX):
        with server.stream() as response:
            next(blocks(response))

    # A connection that is gone shows when something is written: the next event does.
    def has_place() -> bool:
        tell(server.assembly, 1)
        with server.stream() as response:
            return response.status_code == 200

    wait_until(has_place, "a place for a stream")


def test_a_waiting_reader_holds_no_connection_to_the_database(server: Server) -> None:
    # given as many waiting readers as the server may have connections (pool and overflow)
    answers: list[httpx.Response] = []
    headers = {**server.headers(), "Accept": "application/json"}

    def wait() -> None:
        answers.append(server.client.get(f"{server.url}?wait=10", headers=headers))

    readers = [threading.Thread(target=wait) for _ in range(READERS_MAX)]
    for reader in readers:
        reader.start()

    # when others read, and then an event comes
    plain = [server.client.get(server.url, headers=headers).status_code for _ in range(5)]
    tell(server.assembly, 1)
    for reader in readers:
        reader.join(20)

    # then nobody waited for a connection, and each has the event
    assert plain == [200] * 5
    assert [answer.json()["next"] for answer in answers] == [1] * READERS_MAX
