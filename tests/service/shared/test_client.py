"""The client for programs: repeats what may be repeated, renews its token, tells refusals by code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from shared.runtime.clock import ManualClock
from shared.web.client import ATTEMPTS_MAX, ApiClient, ApiRefused, ClientCredentials
from tests.builders.toy import NOTES, Toy

Answer = Callable[[httpx.Request], httpx.Response]


class Server:
    """Answers as told, one after the other, the last one for ever; remembers what it was asked."""

    def __init__(self, *answers: Answer | httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)


def ok(body: object = None) -> httpx.Response:
    return httpx.Response(200, json={} if body is None else body)


def client_of(server: Server, clock: ManualClock, *, credentials: bool = False, token: str | None = None) -> ApiClient:
    pauses: list[float] = []
    client = ApiClient(
        "http://gateway",
        credentials=ClientCredentials("client-1", "secret") if credentials else None,
        token=token,
        http=httpx.Client(transport=httpx.MockTransport(server)),
        clock=clock,
        pause=pauses.append,
    )
    client.pauses = pauses  # type: ignore[attr-defined]
    return client


@pytest.fixture
def toy_client(toy: Toy, clock: ManualClock) -> Iterator[ApiClient]:
    """A client of the toy, in process, as a secretariat's person."""
    transport = httpx.WSGITransport(app=toy.app)
    with ApiClient(
        "http://toy", token=toy.signer.token(), http=httpx.Client(transport=transport), clock=clock
    ) as client:
        yield client


def test_it_talks_to_a_real_service(toy: Toy, toy_client: ApiClient) -> None:
    for number in range(5):
        toy_client.post(NOTES, {"text": f"note {number}"})

    assert toy_client.get(NOTES, limit=2)["next_cursor"]
    assert sorted(each["text"] for each in toy_client.items(NOTES, limit=2)) == [f"note {n}" for n in range(5)]
    note = next(toy_client.items(NOTES))
    assert toy_client.delete(f"{NOTES}/{note['id']}") is None
    assert len(toy.texts()) == 4


def test_a_refusal_is_told_by_its_code(toy_client: ApiClient) -> None:
    with pytest.raises(ApiRefused) as refused:
        toy_client.post(NOTES, {"text": ""})

    assert (refused.value.status, refused.value.code) == (422, "input.invalid")
    assert refused.value.problem["errors"][0]["field"] == "text"


def test_a_chosen_key_makes_a_repetition_harmless(toy: Toy, toy_client: ApiClient) -> None:
    first = toy_client.post(NOTES, {"text": "a"}, key="import-17")

    assert toy_client.post(NOTES, {"text": "a"}, key="import-17") == first
    assert toy.texts() == ["a"]


def test_it_tries_again_with_the_same_key_when_the_connection_breaks(clock: ManualClock) -> None:
    server = Server(httpx.ConnectError("refused"), httpx.ReadTimeout("late"), httpx.Response(502), ok())

    client_of(server, clock).post("/x", {"a": 1})

    assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 1
    assert {request.content for request in server.requests} == {b'{"a":1}'}
    assert len(server.requests) == 4


def test_it_gives_up_after_five_tries(clock: ManualClock) -> None:
    server = Server(httpx.ConnectError("refused"))
    with pytest.raises(httpx.ConnectError):
        client_of(server, clock).get("/x")
    assert len(server.requests) == ATTEMPTS_MAX

    server = Server(httpx.Response(503, json={"code": "server.unavailable"}))
    with pytest.raises(ApiRefused):
        client_of(server, clock).get("/x")
    assert len(server.requests) == ATTEMPTS_MAX


@pytest.mark.parametrize(
    ("said", "least", "most"), [("3", 3.0, 3.75), ("999999", 0.2, 0.25), ("9000", 10, 12.5), ("soon", 0.2, 0.25)]
)
def test_it_waits_as_long_as_it_is_told_but_not_for_ever(
    clock: ManualClock, said: str, least: float, most: float
) -> None:
    client = client_of(Server(httpx.Response(429, headers={"Retry-After": said}), ok()), clock)

    client.get("/x")

    (pause,) = client.pauses  # type: ignore[attr-defined]
    assert least <= pause <= most


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 500])
def test_it_does_not_repeat_what_will_not_change(clock: ManualClock, status: int) -> None:
    server = Server(httpx.Response(status, text="no JSON"))

    with pytest.raises(ApiRefused):
        client_of(server, clock).get("/x")

    assert len(server.requests) == 1


def granted(token: str) -> Answer:
    return lambda _request: httpx.Response(200, json={"access_token": token, "expires_in": 600})


def test_it_fetches_a_token_once_and_renews_it_before_it_expires(clock: ManualClock) -> None:
    # given a platform's client
    server = Server(granted("t-1"), ok(), ok(), granted("t-2"), ok())
    client = client_of(server, clock, credentials=True)

    # when it calls now, again, and shortly before the token's end
    client.get("/x")
    client.get("/x")
    clock.advance(541)
    client.get("/x")

    # then it asked for two tokens, with its secret in the header and nowhere else
    paths = [request.url.path for request in server.requests]
    assert paths == ["/api/membership/v1/oauth/token", "/x", "/x", "/api/membership/v1/oauth/token", "/x"]
    assert server.requests[0].headers["Authorization"] == "Basic Y2xpZW50LTE6c2VjcmV0"
    assert [server.requests[n].headers["Authorization"] for n in (1, 4)] == ["Bearer t-1", "Bearer t-2"]


def test_a_refused_token_is_renewed_once(clock: ManualClock) -> None:
    server = Server(
        granted("t-1"), httpx.Response(401), granted("t-2"), httpx.Response(401, json={"code": "access.token_refused"})
    )

    with pytest.raises(ApiRefused) as refused:
        client_of(server, clock, credentials=True).get("/x")

    assert refused.value.status == 401
    assert len(server.requests) == 4


def test_wrong_credentials_are_told(clock: ManualClock) -> None:
    server = Server(httpx.Response(401, content=json.dumps({"code": "client.unknown"}).encode()))

    with pytest.raises(ApiRefused) as refused:
        client_of(server, clock, credentials=True).get("/x")

    assert refused.value.code == "client.unknown"


def test_a_secret_is_not_printed() -> None:
    assert "hush" not in repr(ClientCredentials("client-1", "hush"))
