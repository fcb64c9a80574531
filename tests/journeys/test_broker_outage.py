"""The broker is away whenever somebody uses the alliance: every request still succeeds, and the chain completes.

A web process never opens a broker connection, so an outage costs time, not requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.deployment import Distributed
from tests.journeys.alliance import COMMITTEE, GENERAL_MEETING, Alliance

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.slow]


@contextmanager
def broker_away(deployment: Distributed, waiting_at: str) -> Iterator[None]:
    """Within the block the broker is stopped; at the end an event of `waiting_at` waits in its outbox."""
    with deployment.broker.stopped():
        yield
        assert deployment.unsent(waiting_at) > 0, "otherwise the broker was not away at all"


def test_with_the_broker_stopped_at_every_step_each_request_succeeds_and_the_chain_completes(
    distributed_alliance: Alliance, distributed_deployment: Distributed
) -> None:
    alliance, deployment = distributed_alliance, distributed_deployment

    with broker_away(deployment, "membership"):
        application = alliance.apply()
        alliance.accept(application)
    committee = alliance.ballot(application, COMMITTEE)

    with broker_away(deployment, "meetings"):
        alliance.cast(committee["ballot_id"], [(unit, "yes") for unit in alliance.roll_of(committee)])
        assert alliance.closed(committee["ballot_id"])["result"]["outcome"] == "passed"
        assert alliance.view(application)["state"] == "accepted", "the news cannot have arrived yet"
    meeting = alliance.ballot(application, GENERAL_MEETING)

    with broker_away(deployment, "meetings"):
        alliance.cast(meeting["ballot_id"], [(unit, "yes") for unit in alliance.roll_of(meeting)])
        assert alliance.view(application)["state"] == "approved"
    member = alliance.welcome(application)

    assert alliance.account_of(member["member_id"])["balance_fen"] == 0
    story = alliance.view(application)["correlation_id"]
    entries = alliance.wait_for_timeline(
        story, ["membership.application.submitted", "membership.member.admitted", "finance.account.opened"]
    )
    events = [entry["event_id"] for entry in entries if not entry["type"].startswith("notifications.delivery.")]
    assert len(events) == len(set(events))
    for service in ("membership", "meetings", "finance"):
        alliance.wait(lambda service=service: deployment.unsent(service) == 0, f"outbox of {service} being empty")  # type: ignore[misc]


def test_processes_that_start_while_the_broker_is_away_serve_and_catch_up(
    distributed_alliance: Alliance, distributed_deployment: Distributed
) -> None:
    alliance, deployment = distributed_alliance, distributed_deployment
    with deployment.broker.stopped():
        for service in ("membership", "meetings"):
            deployment.web(service).stop()
            deployment.worker(service).kill()
            deployment.launch_web(service)
            deployment.launch_worker(service)
        for service in ("membership", "meetings"):
            deployment.wait_until_ready(service)
        application = alliance.apply()
        alliance.accept(application)

    alliance.decide(application, COMMITTEE, yes=0)
    alliance.wait_for_state(application, "refused")
