"""The broker link's thread outlives whatever goes wrong in it."""

from __future__ import annotations

import threading

import pika
import pytest

from shared.messaging.rabbitmq import link as link_module
from shared.messaging.rabbitmq import publishing as publishing_module
from shared.messaging.rabbitmq.publishing import RabbitPublisher
from shared.messaging.transport import BrokerUnavailable, Message


def test_a_connection_that_cannot_even_be_made_does_not_end_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # given an operating system without file handles, and no waiting between attempts
    attempts: list[int] = []
    third = threading.Event()

    def no_handles(*_: object, **__: object) -> None:
        attempts.append(1)
        if len(attempts) >= 3:
            third.set()
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(link_module, "JoiningConnection", no_handles)
    monkeypatch.setattr(link_module, "RECONNECT_SECONDS", (0.001,))
    monkeypatch.setattr(publishing_module, "CONNECT_WAIT_SECONDS", 0.05)
    publisher = RabbitPublisher([pika.ConnectionParameters()])

    # when something is to be published
    with pytest.raises(BrokerUnavailable):
        publisher.publish([Message("e", "membership.member.admitted", "m-1", b"{}")])

    # then the thread keeps trying, and says that it is alive
    assert third.wait(timeout=10)
    assert publisher.is_alive()
    publisher.close()
    assert not publisher.is_alive()
