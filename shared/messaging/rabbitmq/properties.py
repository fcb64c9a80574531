"""The properties of an event at the broker, encoded once per type and slot: only the id differs from event to event."""

from __future__ import annotations

import functools

import pika

from shared.messaging.rabbitmq.layout import SLOT_HEADER, slot_of
from shared.messaging.transport import Message

#: Stands for the id while the rest is encoded.
PLACEHOLDER = "the id of the event"


class Properties(pika.BasicProperties):  # type: ignore[misc] # pika ships no types
    """Properties that are written already, but for the id. pika asks them for nothing else than their bytes."""

    def __init__(self, before: bytes, message_id: str, after: bytes) -> None:
        # Not the base class': it would fill fourteen fields that nobody reads.
        self._before = before
        self._id = message_id.encode("utf-8")
        self._after = after

    def encode(self) -> list[bytes]:
        """The bytes, in pieces."""
        return [self._before, bytes((len(self._id),)), self._id, self._after]


def properties_of(message: Message) -> Properties:
    """What the broker and its readers are told about an event."""
    before, after = _around_the_id(message.type, slot_of(message.subject))
    return Properties(before, message.event_id, after)


@functools.lru_cache(maxsize=4_096)
def _around_the_id(event_type: str, slot: int) -> tuple[bytes, bytes]:
    whole = pika.BasicProperties(
        content_type="application/cloudevents+json",
        delivery_mode=pika.DeliveryMode.Persistent.value,
        headers={SLOT_HEADER: slot},
        message_id=PLACEHOLDER,
        type=event_type,
    )
    placeholder = bytes((len(PLACEHOLDER),)) + PLACEHOLDER.encode("ascii")
    before, _, after = b"".join(whole.encode()).partition(placeholder)
    return before, after
