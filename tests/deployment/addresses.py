"""What a journey needs to know of a running alliance, however it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tests.sinks import MailSink, WebhookSink

SERVICES = ("membership", "meetings", "finance", "notifications")
#: Password of every founded account in the demo and in tests.
PASSWORD = "lianmeng-demo"


@dataclass(frozen=True)
class Sinks:
    """Where deliveries can be received by this test process; None where the deployment cannot reach it."""

    mail: MailSink | None = None
    webhooks: WebhookSink | None = None


class Deployment(Protocol):
    """A running alliance."""

    #: How it runs, for people.
    how: str
    sinks: Sinks

    @property
    def urls(self) -> Mapping[str, str]:
        """Address of each service, without `/api/…`; behind a gateway they are all the same."""
        ...

    def logs(self) -> str:
        """The ends of all logs, for a failure's report."""
        ...
