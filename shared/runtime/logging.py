"""Logging: one JSON line per event on standard error, ready for any collector; readable lines on a terminal.

Values are logged as fields, never pasted into the message, so a newline in a name cannot forge a line.
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logging(level: str, service: str, *, json_lines: bool | None = None) -> None:
    """Set up once per process; `json_lines` defaults to true unless standard error is a terminal."""
    if json_lines is None:
        json_lines = not sys.stderr.isatty()
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False) if json_lines else _readable()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _naming(service),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # pika reports every refused connection with a stack of its own; our relay and consumer say it in one line.
    logging.getLogger("pika").setLevel(logging.CRITICAL)


def _readable() -> structlog.dev.ConsoleRenderer:
    # The pretty traceback would print local variables, and those are codes, passwords and votes.
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


def _naming(service: str) -> structlog.typing.Processor:
    def add_service(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.setdefault("service", service)
        return event

    return add_service


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes an event name and fields: `log.info("relay.published", count=3)`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
