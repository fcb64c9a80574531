"""`make bench-chain`: from the deciding vote to the e-mail being handed over, on RabbitMQ and PostgreSQL.

What happens in between, in six processes: the vote closes the ballot (meetings web) → relay → membership admits the
unit → relay → notifications writes the delivery → its mail desk hands the mail to the server. fsync and synchronous
commit are on, queues are quorum queues, every process is the real one. Chains are prepared up to their last vote; then
the deciding votes are sent at a fixed rate, whatever the answers do (open loop).

A measurement, not a test: it prints figures and the targets, and ends with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.benchmarks.quantiles import quantile
from tests.builders.founding import founding_yaml
from tests.deployment import Distributed, Sinks
from tests.journeys.alliance import COMMITTEE, GENERAL_MEETING, Alliance, Application
from tests.servers import ServerMissing, obtain_broker, obtain_postgresql
from tests.sinks import Mail, MailSink
from tests.waiting import wait_until

#: Units of the alliance: the smallest with a whole committee, since only the last vote is measured.
UNITS = 7
MAILBOX = "bench@lianmeng.example"
#: Targets in milliseconds, counted from the answer that tells the voter that the vote is accepted. The span from sending,
#: which adds the request itself, is printed beside it.
TARGET_P50, TARGET_P99 = 60.0, 250.0
#: Chains in preparation at the same time.
PREPARED_AT_ONCE = 4


@dataclass
class Deciding:
    """The last vote of one chain and the instants around it, on one monotonic clock."""

    application_id: str
    unit_name: str
    url: str
    headers: dict[str, str]
    sent_at: float = 0.0
    answered_at: float = 0.0
    mailed_at: float = 0.0


def main(arguments: Sequence[str]) -> int:
    """Prepare, measure, print. Exit status 1: a target was missed; 2: a server cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.chain", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--chains", type=int, default=100, help="chains measured (default 100)")
    parser.add_argument("--warm-up", type=int, default=10, help="chains before them that do not count (default 10)")
    parser.add_argument("--rate", type=float, default=5.0, help="deciding votes per second (default 5)")
    options = parser.parse_args(arguments)
    try:
        with ExitStack() as stack:
            return _run(options, stack)
    except ServerMissing as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace, stack: ExitStack) -> int:
    postgresql = obtain_postgresql(durable=True, direct=True)
    stack.callback(postgresql.stop)
    broker = obtain_broker(direct=True)
    stack.callback(broker.dispose)
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lianmeng-bench-")))
    founding = directory / "founding.yaml"
    founding.write_text(founding_yaml(UNITS), "utf-8")
    mail = stack.enter_context(MailSink())
    deployment = stack.enter_context(
        Distributed(
            postgresql=postgresql,
            room=stack.enter_context(broker.virtual_host()),
            directory=directory,
            founding_file=founding,
            sinks=Sinks(mail=mail),
        )
    )
    http = stack.enter_context(httpx.Client(timeout=30, trust_env=False))
    alliance = Alliance(deployment, http)
    alliance.wait_until_founded()
    alliance.subscribe(alliance.secretary, "email", ["membership.member.admitted"], MAILBOX)
    total = options.warm_up + options.chains
    print(f"preparing {total} chains up to their deciding vote on {deployment.how}", flush=True)
    votes = _prepare(alliance, total)
    print(f"sending {total} deciding votes, {options.rate:g} per second", flush=True)
    _send(http, mail, votes, options.rate)
    measured = votes[options.warm_up :]
    _print_stages(deployment, measured)
    return _report(measured, options, deployment.how)


def _prepare(alliance: Alliance, count: int) -> list[Deciding]:
    units = alliance.roll(GENERAL_MEETING)
    last = alliance.representative(units[-1])

    def prepare(_: int) -> Deciding:
        application: Application = alliance.apply()
        alliance.accept(application)
        alliance.decide(application, COMMITTEE)
        ballot = alliance.ballot(application, GENERAL_MEETING)
        for unit in units[:-1]:
            alliance.vote(ballot["ballot_id"], unit, "yes")
        url = f"{alliance.deployment.urls['meetings']}/api/meetings/v1/ballots/{ballot['ballot_id']}/votes"
        name, key = str(application.form["unit_name"]), {"Idempotency-Key": application.application_id}
        return Deciding(application.application_id, name, url, key)

    with ThreadPoolExecutor(PREPARED_AT_ONCE) as pool:
        votes = list(pool.map(prepare, range(count)))
    for each in votes:
        each.headers |= last.headers
    return votes


def _send(http: httpx.Client, mail: MailSink, votes: Sequence[Deciding], rate: float) -> None:
    waiting = {each.unit_name: each for each in votes}

    def on_mail(received: Mail) -> None:
        told = f"{received.subject}\n{received.text}"
        for name in list(waiting):
            if name in told:
                waiting.pop(name).mailed_at = received.handed_over_at

    def send(each: Deciding) -> None:
        each.sent_at = time.monotonic()
        answer = http.post(each.url, json={"choice": "yes"}, headers=each.headers)
        each.answered_at = time.monotonic()
        assert answer.status_code == 201, answer.text

    mail.on_mail = on_mail
    pause = threading.Event()
    started = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        sent = []
        for number, each in enumerate(votes):
            pause.wait(max(0.0, started + number / rate - time.monotonic()))
            sent.append(pool.submit(send, each))
        for future in sent:
            future.result()
    wait_until(lambda: not waiting, "a mail for each chain", seconds=60)


def _print_stages(deployment: Distributed, votes: Sequence[Deciding]) -> None:
    """Where the time goes, from the instants that the services store; medians."""
    wall = time.time() - time.monotonic()
    of_ballots = """SELECT envelope::json->'data'->'matter'->>'application_id', recorded_at, sent_at FROM outbox
        WHERE type = 'meetings.ballot.closed' AND envelope::json->'data'->>'body' = 'general_meeting'"""
    of_members = """SELECT envelope::json->'data'->>'application_id', recorded_at, sent_at, event_id FROM outbox
        WHERE type = 'membership.member.admitted'"""
    closed = {row[0]: row[1:] for row in deployment.query("meetings", of_ballots)}
    admitted = {row[0]: row[1:] for row in deployment.query("membership", of_members)}
    archived = dict(deployment.query("notifications", "SELECT event_id, received_at FROM archive"))
    chains = []
    for each in votes:
        ballot, member = closed[each.application_id], admitted[each.application_id]
        stored = [*ballot, member[0], member[1], archived[member[2]]]
        chains.append([each.sent_at + wall, *(instant.timestamp() for instant in stored), each.mailed_at + wall])
    print("\nstages, median ms: the unit of work begins, the broker has confirmed")
    names = ("vote's unit", "closed: confirmed", "admission's unit", "admitted: confirmed", "archive's unit", "mail")
    for index, name in enumerate(names):
        print(f"  {name:24} {quantile([(chain[index + 1] - chain[index]) * 1000 for chain in chains], 0.5):7.1f}")


def _report(votes: Sequence[Deciding], options: argparse.Namespace, how: str) -> int:
    spans = {
        "from sending the vote": [(each.mailed_at - each.sent_at) * 1000 for each in votes],
        "from its answer": [(each.mailed_at - each.answered_at) * 1000 for each in votes],
        "the vote's own answer": [(each.answered_at - each.sent_at) * 1000 for each in votes],
    }
    print(f"\nfrom the deciding vote to the e-mail being handed over, {len(votes)} chains at {options.rate:g}/s, in ms")
    figures = {}
    for name, values in spans.items():
        p50, p99, worst = (quantile(values, share) for share in (0.5, 0.99, 1.0))
        figures[name.replace(" ", "_")] = {"p50": round(p50, 1), "p99": round(p99, 1), "max": round(worst, 1)}
        print(f"  {name:24} p50 {p50:7.1f}   p99 {p99:7.1f}   max {worst:7.1f}")
    reached = figures["from_its_answer"]
    met = reached["p50"] < TARGET_P50 and reached["p99"] < TARGET_P99
    print(f"  target: p50 < {TARGET_P50:g}, p99 < {TARGET_P99:g} from accepting: {'met' if met else 'MISSED'}\n")
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "servers": how}
    print(json.dumps({"bench": "chain", "chains": len(votes), "rate": options.rate, "ms": figures, **machine}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
