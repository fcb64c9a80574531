"""Bad requests: a problem that names the fault, in the caller's language; nothing is stored and nothing leaks."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.builders.toy import NOTES, Toy

JSON = "application/json"


def problem_of(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The problem document, after the checks that hold for all of them."""
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    body: dict[str, Any] = json.loads(response.get_data(as_text=True))
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:lianmeng:problem:{code}"
    assert body["title"]
    assert body["detail"] != code, "every code has words"
    assert body["request_id"] == response.headers["X-Request-ID"]
    return body


def post(toy: Toy, body: Any = None, *, key: str = "k-1", content_type: str = JSON, **headers: str) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**toy.headers(key), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return toy.app.test_client().post(NOTES, data=data, content_type=content_type, headers=sent)


BAD_BODIES: dict[str, tuple[bytes, int, str, list[tuple[str, str]]]] = {
    "malformed JSON": (b'{"text": ', 400, "json.malformed", []),
    "duplicate name": (b'{"text": "a", "text": "b"}', 400, "json.duplicate_name", []),
    "NaN": (b'{"text": "a", "amount": NaN}', 400, "json.no_number", []),
    "too deep": (b'{"text": ' + b"[" * 1000 + b"]" * 1000 + b"}", 400, "json.too_deep", []),
    "not UTF-8": (b'{"text": "\xff"}', 400, "json.not_utf8", []),
    "NUL in text": (b'{"text": "a\\u0000"}', 422, "input.invalid", [("text", "text.unstorable")]),
    "half a character": (b'{"text": "\\ud800"}', 422, "input.invalid", [("text", "text.unstorable")]),
    "control character": (b'{"text": "a\\u001bb"}', 422, "input.invalid", [("text", "text.forbidden_character")]),
    "empty form": (b"{}", 422, "input.invalid", [("text", "input.required")]),
    "no body at all": (b"", 422, "input.invalid", [("text", "input.required")]),
    "a list": (b"[]", 422, "input.invalid", [("", "input.not_an_object")]),
    "null": (b"null", 422, "input.invalid", [("", "input.not_an_object")]),
    "a text": (b'"x"', 422, "input.invalid", [("", "input.not_an_object")]),
    "unknown field": (b'{"text": "a", "id": "x"}', 422, "input.invalid", [("id", "input.unknown_field")]),
    "wrong type": (b'{"text": 1}', 422, "input.invalid", [("text", "input.not_text")]),
    "null in a field": (b'{"text": null}', 422, "input.invalid", [("text", "input.null")]),
    "number as text": (
        b'{"text": "a", "amount": "12"}',
        422,
        "input.invalid",
        [("amount", "input.not_a_whole_number")],
    ),
    "true as number": (
        b'{"text": "a", "amount": true}',
        422,
        "input.invalid",
        [("amount", "input.not_a_whole_number")],
    ),
    "number out of range": (b'{"text": "a", "amount": 1001}', 422, "input.invalid", [("amount", "input.out_of_range")]),
    "too long": (b'{"text": "' + b"x" * 41 + b'"}', 422, "input.invalid", [("text", "input.wrong_length")]),
    "nested": (b'{"text": "a", "author": {"name": ""}}', 422, "input.invalid", [("author.name", "input.wrong_length")]),
    "nested, not an object": (b'{"text": "a", "author": 1}', 422, "input.invalid", [("author", "input.not_an_object")]),
    "a time without offset": (
        b'{"text": "a", "due_at": "2026-01-01T00:00:00"}',
        422,
        "input.invalid",
        [("due_at", "input.not_a_time")],
    ),
    "two faults": (
        b'{"urgent": "yes"}',
        422,
        "input.invalid",
        [("text", "input.required"), ("urgent", "input.not_true_or_false")],
    ),
}


@pytest.mark.parametrize("kind", BAD_BODIES)
def test_a_bad_body_is_refused_naming_the_field_and_nothing_is_stored(toy: Toy, kind: str) -> None:
    raw, status, code, faults = BAD_BODIES[kind]

    found = problem_of(post(toy, raw), status, code)

    assert sorted((each["field"], each["code"]) for each in found.get("errors", [])) == sorted(faults)
    assert all(each["message"] and each["message"] != each["code"] for each in found.get("errors", []))
    assert toy.texts() == []


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        ({}, "text/plain"),
        ({}, "application/x-www-form-urlencoded"),
        ({}, "multipart/form-data; boundary=x"),
        ({}, "application/xml"),
        ({}, "application/json; charset=gbk"),
        ({}, "application/jsonx"),
        ({}, ""),
        ({"Content_Encoding": "gzip"}, JSON),
        ({"Content_Encoding": "br"}, JSON),
    ],
)
def test_another_media_type_is_refused(toy: Toy, headers: dict[str, str], content_type: str) -> None:
    response = post(toy, {"text": "a"}, content_type=content_type, **headers)

    problem_of(response, 415, "request.wrong_media_type")
    assert toy.texts() == []


def test_the_charset_may_be_said(toy: Toy) -> None:
    assert post(toy, {"text": "株洲"}, content_type="application/json; charset=UTF-8").status_code == 201


class Endless:
    """A body that would never end, and counts what is read of it."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "nobody may ask for all of it"
        self.given += size
        return b"x" * size


@pytest.mark.parametrize("megabytes", [2, 5, 100])
def test_a_large_body_is_refused_unparsed(toy: Toy, megabytes: int) -> None:
    body = Endless()

    response = toy.app.test_client().post(
        NOTES,
        headers=toy.headers("k"),
        content_type=JSON,
        environ_overrides={"wsgi.input": body, "CONTENT_LENGTH": str(megabytes * 1_048_576)},
    )

    found = problem_of(response, 413, "request.too_large")
    assert "1048576" in found["detail"]
    # A moderate body is read away, so that its sender sees the answer; a huge one is not worth the traffic.
    assert body.given == (megabytes * 1_048_576 if megabytes < 16 else 0)
    assert toy.texts() == []


def chunked(toy: Toy, body: Any) -> TestResponse:
    """A body whose length nobody said, as gunicorn hands it over."""
    environment = {"wsgi.input": body, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    client = toy.app.test_client()
    return client.post(NOTES, headers=toy.headers("k"), content_type=JSON, environ_overrides=environment)


def test_a_large_body_of_unknown_length_is_refused_and_not_cut_short(toy: Toy) -> None:
    # given a sound document followed by more than anybody wants to read
    body = io.BytesIO(b'{"text": "a"}' + b" " * 1_048_576 + b"nonsense")

    problem_of(chunked(toy, body), 413, "request.too_large")
    assert toy.texts() == []


def test_an_endless_body_ends(toy: Toy) -> None:
    body = Endless()

    problem_of(chunked(toy, body), 413, "request.too_large")
    assert body.given < 20 * 1_048_576


def test_a_body_of_unknown_length_within_the_limit_is_read(toy: Toy) -> None:
    body = b'{"text": "a"' + b" " * (1_048_576 - 13) + b"}"

    assert chunked(toy, io.BytesIO(body)).status_code == 201
    assert toy.texts() == ["a"]


def test_the_largest_allowed_body_is_read(toy: Toy) -> None:
    body = b'{"text": "a"' + b" " * (1_048_576 - 13) + b"}"
    assert len(body) == 1_048_576

    assert post(toy, body).status_code == 201


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("?limt=5", "limt", "input.unknown_field"),
        ("?limit=5&limit=6", "limit", "input.repeated"),
        ("?limit=x", "limit", "input.not_a_whole_number"),
        ("?limit=1000", "limit", "input.out_of_range"),
        ("?starts_with=%00", "starts_with", "text.unstorable"),
        ("?starts_with=%01", "starts_with", "text.forbidden_character"),
        ("?cursor=x", "cursor", "page.cursor_invalid"),
        ("?cursor=WyJhIiwiYiJd", "cursor", "page.cursor_invalid"),
        ("?%00=1", "\ufffd", "input.unknown_field"),
    ],
)
def test_a_bad_query_is_refused_naming_the_argument(toy: Toy, query: str, field: str, code: str) -> None:
    response = toy.app.test_client().get(NOTES + query, headers=toy.headers(sub="a"))

    assert response.status_code == 422
    assert [(each["field"], each["code"]) for each in json.loads(response.data)["errors"]] == [(field, code)]


def test_a_route_without_query_takes_none(toy: Toy) -> None:
    problem_of(toy.app.test_client().get(f"{NOTES}/me?x=1"), 422, "input.invalid")


@pytest.mark.parametrize("part", ["%00", "a%00b", "%0a", "%ff", "x" * 201])
def test_a_strange_path_is_not_found(toy: Toy, part: str) -> None:
    response = toy.app.test_client().get(f"{NOTES}/{part}", headers=toy.headers(sub="a"))

    problem_of(response, 404, "request.no_such_route")


def test_what_is_not_there_is_not_found(toy: Toy) -> None:
    problem_of(toy.app.test_client().get("/api/toy/v1/nothing"), 404, "request.no_such_route")


def test_another_method_is_refused_and_told_which_there_are(toy: Toy) -> None:
    response = toy.app.test_client().put(NOTES)

    problem_of(response, 405, "request.method_not_allowed")
    assert {"GET", "POST"} <= set(response.headers["Allow"].replace(" ", "").split(","))


def test_a_refusal_by_a_rule_names_the_article_and_changes_nothing(toy: Toy) -> None:
    response = post(toy, {"text": "refuse me"})

    found = problem_of_loose(response)
    assert (found["status"], found["code"], found["article"]) == (409, "vote.already_cast", "6(2)")
    assert found["errors"][0]["field"] == "text"
    assert toy.texts() == []


def problem_of_loose(response: TestResponse) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(response.data)
    return body


def test_a_bug_tells_nothing_of_itself(toy: Toy) -> None:
    response = toy.app.test_client().get(f"{NOTES}/trouble/bug")

    problem_of(response, 500, "server.fault")
    assert "secret" not in response.get_data(as_text=True)
    assert "ZeroDivision" not in response.get_data(as_text=True)


@pytest.mark.parametrize(("kind", "seconds"), [("database", "2"), ("unavailable", "7")])
def test_trouble_with_the_database_is_503_and_says_when_to_come_back(toy: Toy, kind: str, seconds: str) -> None:
    response = toy.app.test_client().get(f"{NOTES}/trouble/{kind}")

    problem_of(response, 503, "server.unavailable")
    assert response.headers["Retry-After"] == seconds


def test_a_database_that_cannot_be_opened_is_503(toy: Toy, tmp_path: Any) -> None:
    toy.assembly.database.dispose()
    (tmp_path / "toy.sqlite").unlink()
    (tmp_path / "toy.sqlite").mkdir()

    problem_of(post(toy, {"text": "a"}), 503, "server.unavailable")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "zh-CN"),
        ("", "zh-CN"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh", "zh-CN"),
        ("zh-CN", "zh-CN"),
        ("zh-Hans-CN", "zh-CN"),
        ("fr, en;q=0.5", "en"),
        ("fr", "zh-CN"),
        ("*", "zh-CN"),
        ("en;q=nonsense", "zh-CN"),
        ("\x7f;;q", "zh-CN"),
    ],
)
def test_the_detail_is_in_the_callers_language(toy: Toy, accepted: str | None, language: str) -> None:
    headers = {} if accepted is None else {"Accept-Language": accepted}

    response = toy.app.test_client().get("/api/toy/v1/nothing", headers=headers)

    found = problem_of(response, 404, "request.no_such_route")
    assert found["detail"] == {"zh-CN": "此地址下没有内容。", "en": "There is nothing at this address."}[language]
    assert response.headers["Content-Language"] == language
    assert "Accept-Language" in response.headers["Vary"]


@pytest.mark.parametrize("send", [lambda toy: toy.app.test_client().get(f"{NOTES}/me"), lambda toy: post(toy, b"{")])
def test_every_answer_tells_browsers_to_do_nothing_with_it(toy: Toy, send: Callable[[Toy], TestResponse]) -> None:
    headers = send(toy).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-123.X_y", True),
        ("x" * 100, True),
        ("x" * 101, False),
        ("a b", False),
        ('"><script>', False),
        ("株", False),
    ],
)
def test_a_sane_request_id_is_kept_and_another_replaced(toy: Toy, given: str, kept: object) -> None:
    response = toy.app.test_client().get(
        f"{NOTES}/me", headers={"X-Request-ID": given.encode("utf-8").decode("latin-1")}
    )

    assert (response.headers["X-Request-ID"] == given) == kept
    assert response.headers["X-Request-ID"]
