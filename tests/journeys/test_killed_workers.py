"""Workers die by SIGKILL at every step of the chain, between every two things they do: it completes, nothing twice.

One chain per seam. Each worker is armed to kill itself at the first event of the chain that concerns it; whenever one
dies it is started again, armed for its next event, and without a failpoint after its last.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import pytest

from tests.deployment import Distributed
from tests.journeys.alliance import COMMITTEE, GENERAL_MEETING, Alliance, Application
from tests.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.slow, pytest.mark.timeout(420)]

#: What each worker publishes in one chain, in order.
PUBLISHED = {
    "membership": [
        "membership.application.submitted",
        "membership.application.accepted",
        "membership.admission.approved",
        "membership.member.admitted",
        "membership.account.opened",
    ],
    "meetings": [
        "meetings.ballot.opened",
        "meetings.ballot.closed",
        "meetings.ballot.opened",
        "meetings.ballot.closed",
    ],
    "finance": ["finance.account.opened"],
}
#: What each worker takes in during one chain, in order.
CONSUMED = {
    "membership": [
        "meetings.ballot.opened",
        "meetings.ballot.closed",
        "meetings.ballot.opened",
        "meetings.ballot.closed",
    ],
    "meetings": ["membership.application.accepted", "membership.admission.approved", "membership.member.admitted"],
    "finance": ["membership.member.admitted"],
    "notifications": [
        "membership.application.submitted",
        "membership.application.accepted",
        "meetings.ballot.opened",
        "meetings.ballot.closed",
        "membership.admission.approved",
        "meetings.ballot.opened",
        "meetings.ballot.closed",
        "membership.member.admitted",
        "membership.account.opened",
        "finance.account.opened",
    ],
}
SEAMS = {
    "relay.before_publish": PUBLISHED,
    "relay.after_confirm": PUBLISHED,
    "consumer.before_commit": CONSUMED,
    "consumer.after_commit": CONSUMED,
}
#: A chain with a dozen restarts in it takes as long as the restarts.
PATIENCE_SECONDS = 150.0


class Reaper:
    """Starts dead workers again, each time with the next failpoint of its list."""

    def __init__(self, deployment: Distributed, points: Mapping[str, Sequence[str]]) -> None:
        self._deployment = deployment
        self._next = {service: list(names) for service, names in points.items()}
        self._armed: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        #: Failpoints at which a worker died, by service, in order.
        self.deaths: dict[str, list[str]] = {service: [] for service in points}
        self.unexpected: list[str] = []

    def __enter__(self) -> Self:
        for service in self._next:
            self._deployment.worker(service).stop()
            self._launch(service)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for service in self._next:
            if self._armed.get(service):
                self._deployment.worker(service).stop()
            if not self._deployment.worker(service).alive:
                self._deployment.launch_worker(service)
        for service in self._next:
            self._deployment.wait_until_ready(service)

    def _launch(self, service: str) -> None:
        waiting = self._next[service]
        self._armed[service] = waiting.pop(0) if waiting else ""
        self._deployment.launch_worker(service, self._armed[service])

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            for service in self._next:
                worker = self._deployment.worker(service)
                if worker.alive:
                    continue
                if worker.status == -9 and self._armed[service]:
                    self.deaths[service].append(self._armed[service])
                else:
                    self.unexpected.append(f"{service} ended with {worker.status}:\n{worker.log()}")
                self._launch(service)


@contextlib.contextmanager
def dying_workers(deployment: Distributed, points: Mapping[str, Sequence[str]]) -> Iterator[Reaper]:
    """Within the block workers die at these points; after it, that they did is checked, and all live again."""
    with Reaper(deployment, points) as reaper:
        yield reaper
        wait_until(
            lambda: all(len(reaper.deaths[service]) == len(points[service]) for service in points),
            f"every failpoint; so far {reaper.deaths}",
            seconds=PATIENCE_SECONDS,
        )
    assert reaper.deaths == {service: list(names) for service, names in points.items()}
    assert reaper.unexpected == []


def play(alliance: Alliance) -> Application:
    """The whole chain, everybody in favour, with patience for workers that are being started again."""
    application = alliance.apply()
    alliance.accept(application)
    for body in (COMMITTEE, GENERAL_MEETING):
        path, query = "meetings/v1/ballots", {"body": body, "application_id": application.application_id}
        alliance.wait(
            lambda path=path, query=query: alliance.secretary.get(path, **query)["items"],  # type: ignore[misc]
            f"ballot of {body}",
            seconds=PATIENCE_SECONDS,
        )
        alliance.decide(application, body)
    alliance.wait(lambda: alliance.view(application)["state"] == "admitted", "the admission", seconds=PATIENCE_SECONDS)
    return application


@pytest.mark.parametrize("seam", list(SEAMS))
def test_workers_killed_at_every_event_of_the_chain_complete_it_and_do_nothing_twice(
    distributed_alliance: Alliance, distributed_deployment: Distributed, seam: str
) -> None:
    alliance, deployment = distributed_alliance, distributed_deployment
    types = ["membership.*", "meetings.*", "finance.*"]
    subscription = alliance.subscribe(alliance.secretary, "inbox", types)
    points = {service: [f"{seam}:{name}" for name in names] for service, names in SEAMS[seam].items()}

    with dying_workers(deployment, points):
        application = play(alliance)
        member_id = alliance.view(application)["member_id"]
        story = alliance.view(application)["correlation_id"]
        alliance.wait(
            lambda: any(entry["type"] == "finance.account.opened" for entry in alliance.timeline(story)),
            "the end of the story in the archive",
            seconds=PATIENCE_SECONDS,
        )

    _expect_once(alliance, application, story)
    alliance.welcome(application)
    accounts = alliance.treasurer.pages("finance/v1/accounts")
    assert [each["member_id"] for each in accounts].count(member_id) == 1
    alliance.request(
        "DELETE",
        f"notifications/v1/subscriptions/{subscription['subscription_id']}",
        headers=alliance.secretary.headers,
        expect=204,
    )


def _expect_once(alliance: Alliance, application: Application, story: str) -> None:
    expected = sorted([*PUBLISHED["membership"], *PUBLISHED["meetings"], *PUBLISHED["finance"]])

    def archived() -> list[str]:
        return sorted(entry["type"] for entry in alliance.timeline(story) if entry["type"] in expected)

    def noted() -> list[str]:
        items = alliance.secretary.pages("notifications/v1/inbox")
        return sorted(each["type"] for each in items if each["correlation_id"] == story)

    alliance.wait(lambda: len(archived()) >= len(expected), "the whole story in the archive")
    alliance.wait(lambda: len(noted()) >= len(expected), "a note for each event")
    assert archived() == expected
    assert noted() == expected
    names = [each["unit_name"] for each in alliance.members()]
    assert names.count(application.form["unit_name"]) == 1
    assert len(alliance.ballots(application)) == 2


def test_with_every_worker_dead_each_request_succeeds_and_the_chain_completes_later(
    distributed_alliance: Alliance, distributed_deployment: Distributed
) -> None:
    alliance, deployment = distributed_alliance, distributed_deployment
    services = list(CONSUMED)

    def kill_all() -> None:
        for service in services:
            deployment.worker(service).kill()

    def start_all() -> None:
        for service in services:
            deployment.launch_worker(service)

    kill_all()
    application = alliance.apply()
    alliance.accept(application)
    start_all()
    for body in (COMMITTEE, GENERAL_MEETING):
        ballot = alliance.ballot(application, body)
        kill_all()
        alliance.cast(ballot["ballot_id"], [(unit, "yes") for unit in alliance.roll_of(ballot)])
        start_all()
    member = alliance.welcome(application)

    assert alliance.account_of(member["member_id"])["balance_fen"] == 0
    for service in services:
        deployment.wait_until_ready(service)
