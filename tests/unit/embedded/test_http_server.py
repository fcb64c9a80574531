"""The embedded mode's HTTP server: its port is known before it serves, and it finishes what is in hand."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from deploy.embedded.alliance import dispatcher
from deploy.embedded.http_server import HttpServer
from deploy.embedded.serving import listen
from shared.errors import Conflict


def answering(words: str) -> Any:
    def application(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [words.encode()]

    return application


def test_a_request_in_hand_is_answered_before_the_server_stops() -> None:
    # given a server with one request under way
    reached, go_on = threading.Event(), threading.Event()
    answers: list[str] = []

    def slow(_environ: Any, start_response: Any) -> Iterable[bytes]:
        reached.set()
        assert go_on.wait(10)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    server = HttpServer("127.0.0.1", 0)
    server.start(slow)
    caller = threading.Thread(target=lambda: answers.append(httpx.get(server.url).text))
    caller.start()
    assert reached.wait(10)

    # when it is told to stop while the request goes on
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    go_on.set()
    stopping.join(10)
    caller.join(10)

    # then the caller has its answer, and nobody listens any more
    assert answers == ["done"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_the_port_is_known_before_serving() -> None:
    server = HttpServer("127.0.0.1", 0)

    assert server.url == f"http://127.0.0.1:{server.port}"
    server.start(answering("here"))
    assert httpx.get(server.url).text == "here"
    server.stop()


def test_a_port_that_was_asked_for_and_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Conflict) as refused:
        listen("127.0.0.1", taken.getsockname()[1])

    assert refused.value.code == "embedded.port_in_use"


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/api/finance/v1/accounts", "finance"),
        ("/api/finance", "finance"),
        ("/api/nobody/v1", "landing"),
        ("/api/", "landing"),
        ("/", "landing"),
        ("/x/api/finance/v1", "landing"),
        ("//api/finance/v1", "landing"),
    ],
)
def test_each_path_goes_to_its_service_and_the_rest_to_the_page(path: str, who: str) -> None:
    application = dispatcher({"finance": answering("finance")}, answering("landing"))

    assert b"".join(application({"PATH_INFO": path}, lambda *_: None)).decode() == who  # type: ignore[arg-type]
