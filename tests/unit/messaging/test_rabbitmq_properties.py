"""What is encoded once reads the same as what pika would have encoded for each message."""

from __future__ import annotations

import pika
import pytest

from shared.messaging.rabbitmq.layout import slot_of
from shared.messaging.rabbitmq.properties import properties_of
from shared.messaging.transport import Message


@pytest.mark.parametrize("event_id", ["e", "0192f7a1-3c11-7cc3-9a52-6d0c8f1e2b34", "章程", "x" * 255])
@pytest.mark.parametrize("subject", ["m-1", "m-2", "章程"])
def test_the_prepared_bytes_say_what_pika_would_have_said(event_id: str, subject: str) -> None:
    prepared = properties_of(Message(event_id, "membership.member.admitted", subject, b"{}"))

    read = pika.BasicProperties()
    read.decode(b"".join(prepared.encode()))
    assert read == pika.BasicProperties(
        content_type="application/cloudevents+json",
        delivery_mode=2,
        headers={"slot": slot_of(subject)},
        message_id=event_id,
        type="membership.member.admitted",
    )


def test_a_frame_of_it_is_what_pika_marshals() -> None:
    prepared = properties_of(Message("e-1", "membership.member.admitted", "m-1", b"{}"))
    plain = pika.BasicProperties(
        content_type="application/cloudevents+json",
        delivery_mode=2,
        headers={"slot": slot_of("m-1")},
        message_id="e-1",
        type="membership.member.admitted",
    )

    assert pika.frame.Header(1, 2, prepared).marshal() == pika.frame.Header(1, 2, plain).marshal()


def test_an_id_too_long_for_the_protocol_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="range"):
        properties_of(Message("x" * 256, "t", "s", b"")).encode()
