"""Notifications on both databases, with a real mail server and a real webhook receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.runtime.clock import Clock
from tests.fixtures.assemblies import MakeAssembly
from tests.servers.ports import HOST
from tests.service.notifications.driver import Notifications
from tests.sinks import MailSink, WebhookSink

Run = Callable[..., Notifications]


@pytest.fixture
def mail_sink() -> Iterator[MailSink]:
    """A mail server."""
    with MailSink() as sink:
        yield sink


@pytest.fixture
def webhook_sink() -> Iterator[WebhookSink]:
    """A webhook receiver."""
    with WebhookSink() as sink:
        yield sink


@pytest.fixture
def run(make_assembly: MakeAssembly) -> Run:
    """`run(mail=sink)`: notifications with this mail server; other settings and a clock may be named."""

    def make(mail: MailSink | None = None, clock: Clock | None = None, **settings: Any) -> Notifications:
        if mail is not None:
            settings = {
                "smtp_host": HOST,
                "smtp_port": mail.port,
                "smtp_starttls": False,
                "mail_from": "lianmeng@zhuzhou.cn",
                **settings,
            }
        named = {} if clock is None else {"clock": clock}
        return Notifications(make_assembly("notifications", **named, **settings))

    return make


@pytest.fixture
def house(run: Run) -> Notifications:
    """Notifications without a mail server."""
    return run()
