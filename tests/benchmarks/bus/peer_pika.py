"""Plain pika, the naive outbox, and the ceiling: what can be done with the library by hand.

`enqueue COUNT` and `drain`: plain pika with one confirm and one commit each. `relay` and `consume`: an outbox and an
inbox as one writes them first, one row, one confirm, one commit at a time. `ceiling COUNT`: batches of 500 messages,
each batch confirmed before the next; nothing but pika.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pika
import psycopg
from pika.adapters.select_connection import SelectConnection

from tests.benchmarks.bus import peer
from tests.benchmarks.bus.pair import INSERT_HANDLED

BATCH = 500
QUORUM = {"x-queue-type": "quorum"}
PERSISTENT = pika.BasicProperties(delivery_mode=2, content_type="application/json")
#: The naive outbox and inbox.
CREATE_NAIVE = """
CREATE TABLE naive_outbox (id bigserial PRIMARY KEY, event_id varchar(36) UNIQUE, body text, sent boolean DEFAULT false);
CREATE INDEX ON naive_outbox (id) WHERE NOT sent;
CREATE TABLE naive_inbox (event_id varchar(36) PRIMARY KEY)"""


def main(role: str, count: int) -> None:
    """Play one of the roles."""
    roles: dict[str, Callable[[], None]] = {
        "enqueue": lambda: _enqueue(count),
        "drain": _drain,
        "relay": _relay,
        "consume": _consume,
        "ceiling": lambda: _ceiling(count),
    }
    roles[role]()


def _channel() -> Any:
    channel = pika.BlockingConnection(pika.URLParameters(peer.broker_url())).channel()
    channel.queue_declare(peer.queue_name(), durable=True, arguments=QUORUM)
    channel.basic_qos(prefetch_count=peer.PREFETCH)
    return channel


def _enqueue(count: int) -> None:
    channel = _channel()
    channel.confirm_delivery()
    peer.enqueue_all(
        lambda data: channel.basic_publish("", peer.queue_name(), json.dumps(data), PERSISTENT, mandatory=True), count
    )


def _drain() -> None:
    def on_message(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        peer.handle(json.loads(body))
        channel.basic_ack(method.delivery_tag)

    channel = _channel()
    channel.basic_consume(peer.queue_name(), on_message)
    channel.start_consuming()


def _relay() -> None:
    channel = _channel()
    channel.confirm_delivery()
    pause = threading.Event()
    with psycopg.connect(peer.database_url()) as connection:
        while True:
            row = connection.execute("SELECT id, event_id, body FROM naive_outbox WHERE NOT sent ORDER BY id LIMIT 1")
            found = row.fetchone()
            if found is None:
                connection.rollback()
                pause.wait(0.05)  # as one polls first
                continue
            position, event_id, body = found
            properties = pika.BasicProperties(delivery_mode=2, message_id=event_id)
            channel.basic_publish("", peer.queue_name(), body, properties, mandatory=True)
            connection.execute("UPDATE naive_outbox SET sent = true WHERE id = %s", (position,))
            connection.commit()


def _consume() -> None:
    connection = psycopg.connect(peer.database_url())

    def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        data = json.loads(body)
        new = connection.execute(
            "INSERT INTO naive_inbox VALUES (%s) ON CONFLICT DO NOTHING RETURNING event_id", (properties.message_id,)
        )
        if new.fetchone():
            connection.execute(INSERT_HANDLED, (data["number"], data["unit_name"], data["members"]))
        connection.commit()
        channel.basic_ack(method.delivery_tag)

    channel = _channel()
    channel.basic_consume(peer.queue_name(), on_message)
    channel.start_consuming()


def _ceiling(count: int) -> None:
    body = b"x" * 1000
    publish_batches(peer.broker_url(), "", peer.queue_name(), [(body, PERSISTENT)] * count, report=True)


def publish_batches(
    url: str, exchange: str, key: str, messages: Sequence[tuple[bytes, Any]], *, report: bool = False
) -> None:
    """Publish in batches, each confirmed before the next. Also fills queues for those who drain them."""
    _Batches(url, exchange, key, messages, report=report).run()


class _Batches:
    def __init__(
        self, url: str, exchange: str, key: str, messages: Sequence[tuple[bytes, Any]], *, report: bool
    ) -> None:
        self._exchange, self._key, self._messages, self._report = exchange, key, messages, report
        self._sent = 0
        #: Tags not confirmed yet, and the lowest that may be among them.
        self._waiting: set[int] = set()
        self._lowest = 1
        self._warm_up = len(messages) // 10 // BATCH * BATCH
        self._started = self._cpu = 0.0
        self._channel: Any = None
        self._connection = SelectConnection(
            pika.URLParameters(url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel),
            on_close_callback=lambda connection, _reason: connection.ioloop.stop(),
        )

    def run(self) -> None:
        self._connection.ioloop.start()
        assert self._sent == len(self._messages), "the connection was lost"
        assert not self._waiting, "the broker did not confirm all of it"

    def _on_channel(self, channel: Any) -> None:
        self._channel = channel
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._send())

    def _send(self) -> None:
        if self._sent == self._warm_up:
            self._started, self._cpu = time.monotonic(), time.process_time()
        for body, properties in self._messages[self._sent : self._sent + BATCH]:
            self._channel.basic_publish(self._exchange, self._key, body, properties, mandatory=True)
            self._sent += 1
            self._waiting.add(self._sent)

    def _on_confirm(self, frame: Any) -> None:
        assert isinstance(frame.method, pika.spec.Basic.Ack), "refused"
        tag = frame.method.delivery_tag
        if frame.method.multiple:
            self._waiting.difference_update(range(self._lowest, tag + 1))
            self._lowest = tag + 1
        else:
            self._waiting.discard(tag)
        if self._waiting:
            return
        if self._sent < len(self._messages):
            self._send()
            return
        if self._report:
            seconds, cpu = time.monotonic() - self._started, time.process_time() - self._cpu
            peer.report(self._sent - self._warm_up, seconds, cpu)
        self._connection.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
