"""Journeys run on every way of running an alliance: embedded, distributed, or the one behind a given gateway.

Each alliance is started once for all journeys; they share its roster as people share an office.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import httpx
import pytest

from tests.deployment import Deployment, Distributed, Gateway, Sinks
from tests.journeys.alliance import Alliance
from tests.sinks import MailSink, WebhookSink

GATEWAY_URL = os.environ.get("LIANMENG_JOURNEY_BASE_URL", "")
#: `name:port` under which that alliance reaches this process; its SMTP settings must name the same.
SINKS = os.environ.get("LIANMENG_JOURNEY_SINKS", "")
EVERY_INTERFACE = "0.0.0.0"
WAYS = (
    [pytest.param("gateway")]
    if GATEWAY_URL
    else [pytest.param("embedded"), pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])]
)


@pytest.fixture(scope="session", params=WAYS)
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """A running alliance, in each way in turn."""
    found: Deployment = request.getfixturevalue(f"{request.param}_deployment")
    return found


@pytest.fixture(scope="session")
def gateway_deployment() -> Iterator[Gateway]:
    """Somebody else's alliance. It can deliver to us only where it was told how to reach us."""
    reached_as, _, mail_port = SINKS.partition(":")
    if not reached_as:
        yield Gateway(GATEWAY_URL, Sinks())
        return
    # On every interface: what runs in containers comes in over the engine's bridge.
    with MailSink(EVERY_INTERFACE, int(mail_port)) as mail, WebhookSink(EVERY_INTERFACE, reached_as) as webhooks:
        yield Gateway(GATEWAY_URL, Sinks(mail, webhooks))


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30, trust_env=False, limits=httpx.Limits(max_connections=100)) as client:
        yield client


@pytest.fixture(scope="session")
def alliance(deployment: Deployment, http: httpx.Client) -> Alliance:
    """The alliance, founded and known to every service."""
    made = Alliance(deployment, http)
    made.wait_until_founded()
    return made


@pytest.fixture(scope="session")
def distributed_alliance(distributed_deployment: Distributed, http: httpx.Client) -> Alliance:
    """The alliance on RabbitMQ and PostgreSQL, whose processes a test may kill."""
    made = Alliance(distributed_deployment, http)
    made.wait_until_founded()
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed journey shows the logs of the processes it ran on."""
    report = yield
    found = getattr(item, "funcargs", {})
    made = found.get("alliance") or found.get("distributed_alliance")
    if made is not None and report.failed:
        report.sections.append((f"logs of {made.deployment.how}", made.deployment.logs()))
    return report
