"""Frames leave joined. Also tells when pika no longer hands its bytes over where `JoiningConnection` takes them."""

from __future__ import annotations

from unittest.mock import Mock

import pika
import pytest
from pika.adapters.select_connection import SelectConnection
from pika.adapters.utils.nbio_interface import AbstractIOServices

from shared.messaging.rabbitmq import joining
from shared.messaging.rabbitmq.joining import JoiningConnection


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What reaches pika's own way to the socket."""
    writes: list[bytes] = []
    monkeypatch.setattr(SelectConnection, "_adapter_emit_data", lambda _self, data: writes.append(data))
    return writes


def open_connection() -> JoiningConnection:
    """A connection that believes itself to be open, without a broker or a loop."""
    connection = JoiningConnection(
        pika.ConnectionParameters(), custom_ioloop=Mock(spec=AbstractIOServices), internal_connection_workflow=False
    )
    connection._set_connection_state(connection.CONNECTION_OPEN)
    connection._body_max_length = 131_072
    return connection


def publish(connection: JoiningConnection, body: bytes) -> None:
    """The frames of one message, as pika's channel sends them."""
    connection._send_method(1, pika.spec.Basic.Publish(exchange="x", routing_key="y"), (pika.BasicProperties(), body))


def test_the_frames_of_a_block_leave_in_one_write_at_its_end(written: list[bytes]) -> None:
    connection = open_connection()
    publish(connection, b"alone")
    assert len(written) == 3, "method, header and body by themselves: pika writes where it used to"
    separate = b"".join(written)
    written.clear()

    with connection.joined():
        publish(connection, b"alone")
        publish(connection, b"alone")
        assert written == []

    assert written == [separate * 2]


def test_a_write_stays_below_its_limit_by_a_message_at_most(
    written: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "JOINED_BYTES_MAX", 1_000)
    connection = open_connection()
    with connection.joined():
        for _ in range(10):
            publish(connection, b"x" * 400)

    assert [len(write) < 1_500 for write in written] == [True] * len(written)
    assert b"".join(written).count(b"x" * 400) == 10


def test_a_write_leaves_as_soon_as_the_limit_is_reached_and_the_next_ones_are_joined_as_well(
    written: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "JOINED_BYTES_MAX", 1_000)
    connection = open_connection()
    seen: list[int] = []
    with connection.joined():
        for size in (500, 499, 1, 600, 399, 1, 7):
            connection._adapter_emit_data(b"x" * size)
            seen.append(len(written))

    assert seen == [0, 0, 1, 1, 1, 2, 2]
    assert [len(write) for write in written] == [1_000, 1_000, 7]


def test_what_was_whole_before_an_error_still_leaves(written: list[bytes]) -> None:
    def fail_after_one(connection: JoiningConnection) -> None:
        with connection.joined():
            publish(connection, b"whole")
            raise ValueError("no more")

    connection = open_connection()
    with pytest.raises(ValueError, match="no more"):
        fail_after_one(connection)
    publish(connection, b"after")

    assert len(written) == 1 + 3
    assert b"whole" in written[0]


def test_an_empty_block_writes_nothing(written: list[bytes]) -> None:
    connection = open_connection()
    with connection.joined():
        pass

    assert written == []
