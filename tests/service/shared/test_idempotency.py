"""Idempotency keys: one effect, the same answer, and a store that betrays nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from shared.runtime.clock import ManualClock, SystemClock
from shared.web.idempotency import PURGE_MAX, idempotency_keys, purge_idempotency_keys
from tests.builders.toy import NOTES, Toy, toy_on

PARALLEL = 50


def post(
    toy: Toy, text: str = "hello", *, key: str | None = "k-1", who: str | None = None, query: str = ""
) -> TestResponse:
    headers = toy.headers(key or "", **({"sub": who} if who else {}))
    return toy.app.test_client().post(NOTES + query, json={"text": text}, headers=headers)


def code_of(response: TestResponse) -> str:
    return str(json.loads(response.data)["code"])


def rows_of(toy: Toy) -> int:
    with toy.assembly.reading() as look:
        return int(look.scalar(sa.select(sa.func.count()).select_from(idempotency_keys)))


def test_a_repeated_request_has_one_effect_and_the_same_answer(toy_on_both: Toy) -> None:
    first = post(toy_on_both)
    again = post(toy_on_both)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.data == first.data
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert toy_on_both.texts() == ["hello"]


def test_the_same_key_with_another_body_is_refused(toy_on_both: Toy) -> None:
    post(toy_on_both)

    response = post(toy_on_both, "other")

    assert (response.status_code, code_of(response)) == (422, "idempotency.key_reused")
    assert toy_on_both.texts() == ["hello"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency.key_missing"),
        ("a b", "idempotency.key_malformed"),
        ("x" * 256, "idempotency.key_malformed"),
        ("\x7f", "idempotency.key_malformed"),
        ("\xe9", "idempotency.key_malformed"),
    ],
)
def test_a_missing_or_malformed_key_is_refused(toy: Toy, key: str | None, code: str) -> None:
    response = post(toy, key=key)

    assert (response.status_code, code_of(response)) == (400, code)
    assert toy.texts() == []


def test_any_visible_ascii_up_to_255_characters_is_a_key(toy: Toy) -> None:
    assert post(toy, key="x" * 255).status_code == 201
    assert post(toy, key="""!"#$%&'()*+,-./:;<=>?@[]^_`{|}~""").status_code == 201


def test_a_key_belongs_to_its_caller(toy: Toy) -> None:
    assert post(toy, "of a", who="a").status_code == 201
    assert post(toy, "of b", who="b").status_code == 201
    assert post(toy, "of nobody").status_code == 201

    assert sorted(toy.texts()) == ["of a", "of b", "of nobody"]


def test_a_stored_answer_is_not_shown_to_somebody_without_the_private_code(toy: Toy) -> None:
    def ask(**headers: str) -> TestResponse:
        sent = {"Idempotency-Key": "1", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return toy.app.test_client().post(f"{NOTES}/private", json={"text": "gold"}, headers=sent)

    # given an answer stored for somebody who had the code
    assert ask(Note_Code="open sesame").get_json() == {"treasure": "gold"}
    assert ask(Note_Code="open sesame").headers["Idempotency-Replayed"] == "true"

    # when others guess the idempotency key
    # then they are refused as if it had never been used
    assert ask().status_code == 403
    assert ask(Note_Code="open").status_code == 403


def test_a_refusal_is_not_kept_so_the_mended_request_may_use_the_key_again(toy_on_both: Toy) -> None:
    assert post(toy_on_both, "refuse me").status_code == 409
    assert rows_of(toy_on_both) == 0

    assert post(toy_on_both, "mended").status_code == 201
    assert toy_on_both.texts() == ["mended"]


def test_a_crash_inside_the_view_leaves_neither_effect_nor_key(toy_on_both: Toy) -> None:
    # given a view that fails after its effect
    def fail() -> None:
        raise ZeroDivisionError

    toy_on_both.hooks.after_insert = fail
    assert post(toy_on_both).status_code == 500
    assert (toy_on_both.texts(), rows_of(toy_on_both)) == ([], 0)

    # when it is mended, the same key does the work
    toy_on_both.hooks.after_insert = lambda: None
    assert post(toy_on_both).status_code == 201
    assert toy_on_both.texts() == ["hello"]


@pytest.fixture
def busy_toy(empty_database_url: str, tmp_path: Path) -> Iterator[Toy]:
    """The toy on the machine's clock: threads wait for real here."""
    with toy_on(empty_database_url, tmp_path, clock=SystemClock()) as toy:
        yield toy


def all_at_once(count: int, send: Callable[[int], TestResponse]) -> list[TestResponse]:
    start = threading.Barrier(count)

    def run(number: int) -> TestResponse:
        start.wait()
        return send(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_fifty_parallel_requests_with_one_key_have_one_effect_and_one_answer(busy_toy: Toy) -> None:
    answers = all_at_once(PARALLEL, lambda _: post(busy_toy))

    assert {(each.status_code, each.data) for each in answers} == {(201, answers[0].data)}
    assert sum("Idempotency-Replayed" not in each.headers for each in answers) == 1
    assert busy_toy.texts() == ["hello"]


def test_parallel_requests_with_one_key_and_different_bodies_leave_one_of_them(busy_toy: Toy) -> None:
    answers = all_at_once(10, lambda number: post(busy_toy, f"text {number}"))

    assert sorted(each.status_code for each in answers) == [201] + [422] * 9
    assert len(busy_toy.texts()) == 1


def test_when_the_first_of_two_parallel_requests_fails_the_second_does_the_work(busy_toy: Toy) -> None:
    # given that whoever comes first fails, while the other already waits for it
    others_on_their_way = threading.Event()
    calls: list[int] = []

    def first_fails() -> None:
        calls.append(1)
        if len(calls) == 1:
            others_on_their_way.wait(5)
            raise ZeroDivisionError

    busy_toy.hooks.after_insert = first_fails

    def send(number: int) -> TestResponse:
        if number == 1:
            others_on_their_way.set()
        return post(busy_toy)

    # when
    answers = all_at_once(2, send)

    # then
    assert sorted(each.status_code for each in answers) == [201, 500]
    assert busy_toy.texts() == ["hello"]


def test_an_expired_key_is_a_new_request_even_before_the_purge(toy_on_both: Toy, clock: ManualClock) -> None:
    post(toy_on_both)

    clock.advance(24 * 3600 - 1)
    assert post(toy_on_both).headers.get("Idempotency-Replayed") == "true"
    clock.advance(1)
    assert "Idempotency-Replayed" not in post(toy_on_both).headers

    assert toy_on_both.texts() == ["hello", "hello"]
    assert rows_of(toy_on_both) == 1


def test_the_purge_deletes_what_expired_and_nothing_else(toy_on_both: Toy, clock: ManualClock) -> None:
    post(toy_on_both, key="old")
    clock.advance(3600)
    post(toy_on_both, key="young")
    clock.advance(23 * 3600)

    with toy_on_both.assembly.begin() as work:
        assert purge_idempotency_keys(work) == 1
    with toy_on_both.assembly.begin() as work:
        assert purge_idempotency_keys(work) == 0

    assert post(toy_on_both, key="young").headers["Idempotency-Replayed"] == "true"


def test_a_purge_is_done_in_portions(toy_on_both: Toy, clock: ManualClock) -> None:
    with toy_on_both.assembly.begin() as work:
        rows = [
            {"lookup": f"{n:064}", "fingerprint": "0" * 64, "expires_at": clock.now()} for n in range(PURGE_MAX + 5)
        ]
        work.execute(sa.insert(idempotency_keys), rows)

    counts = []
    for _ in range(2):
        with toy_on_both.assembly.begin() as work:
            counts.append(purge_idempotency_keys(work))

    assert counts == [PURGE_MAX, 5]


def test_the_store_betrays_neither_key_nor_caller_nor_body_nor_answer(toy: Toy) -> None:
    answer = post(toy, "a secret access code", key="the-key", who="account-77")
    note_id = json.loads(answer.data)["id"]

    with toy.assembly.reading() as look:
        row = look.one(sa.select(idempotency_keys))
    seen = repr({**row._mapping, "headers": {**row.headers, "Location": ""}}).encode() + bytes(row.answer)

    for secret in ("the-key", "account-77", "a secret access code", note_id):
        assert secret.encode() not in seen


def test_equal_requests_of_different_callers_look_different_in_the_store(toy: Toy) -> None:
    post(toy, "yes", who="a")
    post(toy, "yes", who="b")

    with toy.assembly.reading() as look:
        rows = look.all(sa.select(idempotency_keys))
    assert len({row.fingerprint for row in rows}) == 2
