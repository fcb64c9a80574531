"""What a view may ask for: the running service, the caller, the language, a unit of work.

Thin access to the request at hand. Commands and queries never import this module; they are handed what they need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from flask import current_app, g, has_request_context, request

from shared.persistence.unit_of_work import Cause, Reading, UnitOfWork
from shared.runtime.assembly import Assembly
from shared.runtime.health import Health
from shared.runtime.metrics import Metrics
from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES
from shared.security.permissions import ANONYMOUS, Caller
from shared.security.tokens import Verifier

EXTENSION = "lianmeng"


@dataclass(frozen=True)
class WebParts:
    """What a web application consists of, beside Flask."""

    assembly: Assembly
    verifier: Verifier
    health: Health
    metrics: Metrics
    #: Names of the query of each (endpoint, method); True where a name may be repeated.
    queries: dict[tuple[str, str], Mapping[str, bool]] = field(default_factory=dict)


def parts() -> WebParts:
    """The parts of the application that serves this request."""
    found = current_app.extensions[EXTENSION]
    assert isinstance(found, WebParts)
    return found


def assembly() -> Assembly:
    """The running service."""
    return parts().assembly


def caller() -> Caller:
    """Who calls. `@access` has put it there before the view runs."""
    found = g.get("caller", ANONYMOUS)
    assert isinstance(found, Caller)
    return found


def language() -> str:
    """The language of the answer, from Accept-Language: zh-CN or en."""
    if not has_request_context() or not request.accept_languages:
        return DEFAULT_LANGUAGE
    # "zh" and "zh-Hans-CN" mean our Chinese; werkzeug compares primary tags last.
    return request.accept_languages.best_match(LANGUAGES, DEFAULT_LANGUAGE)


def request_cause() -> Cause:
    """The beginning of a story: a fresh correlation id, and the caller's trace if it sent one."""
    return Cause(correlation_id=g.correlation_id, causation_id=None, traceparent=g.traceparent)


@contextmanager
def begin_work() -> Iterator[UnitOfWork]:
    """A unit of work caused by this request; at most one at a time."""
    assert "work" not in g, "a unit of work is already open: a request is one transaction"
    with assembly().begin(request_cause()) as work:
        g.work = work
        try:
            yield work
        finally:
            del g.work


def reading() -> AbstractContextManager[Reading]:
    """A read-only look."""
    return assembly().reading()


def current_work() -> UnitOfWork:
    """The unit that `@idempotent` opened for this view."""
    work = g.get("work")
    assert isinstance(work, UnitOfWork), "no unit of work: is the view marked @idempotent?"
    return work
