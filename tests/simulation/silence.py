"""The product's log, dropped: thousands of foreseen failures a second. What was not foreseen is reported instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog


@contextmanager
def quietly(complain: Callable[[str], None]) -> Iterator[None]:
    """Drop what the product logs, but take a reaction that failed for no foreseen reason as a finding."""

    def listen(_logger: Any, _method: str, told: Any) -> Any:
        reason = str(told.get("reason", ""))
        if told["event"] == "consumer.deferred" and not reason.startswith(("OperationalError", "Unavailable")):
            complain(f"a reaction failed: {told.get('type')}: {reason}")
        if told["event"] == "mail_desk.not_sendable":
            complain(f"a mail could not be made: {told.get('error')}")
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    before = list(processors)
    processors[:] = [listen]
    try:
        yield
    finally:
        processors[:] = before
