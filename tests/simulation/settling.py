"""After the faults: everything drains within a bounded time, and then nothing may be left over.

This is the liveness half: a system that does nothing breaks no promise about what it does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from shared.messaging.transport import queue_of
from tests.simulation import invariants
from tests.simulation.alliance import Node
from tests.simulation.model import COMMITTEE, MEETING
from tests.simulation.world import World, require

if TYPE_CHECKING:
    from tests.simulation.run import Run

#: Rounds of work without a pause, at most; each takes everything one hop further.
ROUNDS_MAX = 200
#: Pauses, at most: each ends when the next thing falls due.
PAUSES_MAX = 150
#: Days it may all take: two ballots one after the other, the waits of a delivery, the last late copy.
DAYS_MAX = 200
#: Next instants at which something falls due in a service's database.
DEFERRED = "SELECT min(next_attempt_at) FROM inbox WHERE state = 'deferred' AND next_attempt_at > '{after}'"
DEADLINES = "SELECT min(closes_at) FROM ballots WHERE state = 'open' AND closes_at > '{after}'"
DELIVERIES = "SELECT min(due_at) FROM deliveries WHERE state = 'pending' AND due_at > '{after}'"
#: How SQLite keeps instants.
INSTANT = "%Y-%m-%dT%H:%M:%S.%fZ"
LEAVINGS = "SELECT min(leaves_at) FROM leavings WHERE pending_member_id IS NOT NULL AND leaves_at > '{after}'"
DUE = {"membership": (LEAVINGS,), "meetings": (DEADLINES,), "notifications": (DELIVERIES,)}
#: What timers do in time; the other timers only tidy up, and have had their turns before.
TIMED = {"membership": LEAVINGS, "meetings": DEADLINES}


def settle(run: Run) -> None:
    """Let everything that waits come to its end, ask every promise, and see that nothing is left."""
    began = run.alliance.clock.now()
    # In half of the runs whoever has not voted does so now; in the others the deadlines decide.
    keen = run.chance.random() < 0.5
    for _ in range(PAUSES_MAX):
        _work_off(run)
        if keen and _last_votes(run):
            continue
        wait = _seconds_until_due(run)
        if wait is None:
            break
        run.alliance.clock.advance(wait)
        require((run.alliance.clock.now() - began).days < DAYS_MAX, "it takes too long", DAYS_MAX)
    else:
        require(False, "something falls due again and again")
    nothing_is_left(run.world)
    everybody_agrees(run.world)


def _work_off(run: Run) -> None:
    for _ in range(ROUNDS_MAX):
        moved = False
        for node in run.alliance.nodes.values():
            for turn in (_relay, _deliver, _retry, _time, _mail):
                moved |= turn(run, node)
                invariants.check(run.world)
        if not moved:
            return
    require(False, "work without end")


def _last_votes(run: Run) -> bool:
    asked = False
    for ballot in list(run.model.ballots.values()):
        for unit_id in sorted(ballot.roll - set(ballot.votes)):
            # Where the deadline has passed without anybody looking yet, the vote is refused, which is right.
            if ballot.state == "open":
                _, _, vote = run.command(run.workload.ballot_paper(ballot, unit_id))
                asked |= vote().endswith("granted")
                invariants.check(run.world)
    return asked


def _relay(_run: Run, node: Node) -> bool:
    if not _unsent(node):
        return False
    confirmed, refused = node.relay.publish_waiting()
    if not confirmed and not refused:
        # The round that passed over what was refused has ended; the next one tries it again.
        confirmed, refused = node.relay.publish_waiting()
    require(not refused, "refused without a fault", node.name)
    return confirmed > 0


def _deliver(run: Run, node: Node) -> bool:
    return run.alliance.bus.is_ready(queue_of(node.name)) and bool(run.alliance.bus.deliver(queue_of(node.name), 100))


def _retry(_run: Run, node: Node) -> bool:
    return _is_due(node, DEFERRED) and node.consumer.retry_due() > 0


def _time(run: Run, node: Node) -> bool:
    if node.name not in TIMED or not _is_due(node, TIMED[node.name]):
        return False
    for _, timer in run.alliance.timers(node.name):
        timer(node.assembly)
    return True


def _mail(_run: Run, node: Node) -> bool:
    if node.name != "notifications" or not _is_due(node, DELIVERIES):
        return False
    node.desk.send_batch(node.assembly)
    return True


def _unsent(node: Node) -> int:
    return int(node.rows("SELECT count(*) FROM outbox WHERE sent_at IS NULL")[0][0])


def _is_due(node: Node, question: str) -> bool:
    at = _instant(node, question.format(after=""))
    return at is not None and at <= node.clock.now()


def _instant(node: Node, question: str) -> datetime | None:
    ((at,),) = node.rows(question)
    return None if at is None else datetime.fromisoformat(at)


def _seconds_until_due(run: Run) -> float | None:
    waits: list[float] = []
    for node in run.alliance.nodes.values():
        for question in (*DUE.get(node.name, ()), DEFERRED):
            now = node.clock.now()
            # What is due already and was not done waits behind something else.
            at = _instant(node, question.format(after=now.strftime(INSTANT)))
            if at is not None:
                waits.append((at - now).total_seconds())
    copies = run.alliance.bus.next_at()
    if copies is not None:
        waits.append(copies - run.alliance.clock.monotonic())
    return min(waits) + 0.001 if waits else None


def nothing_is_left(world: World) -> None:
    """Everything recorded was sent, everything sent was heard by everybody it concerns, nothing waits anywhere."""
    for name, node in world.alliance.nodes.items():
        require(not _unsent(node), "events are left unsent", name)
        require(not len(world.alliance.bus.queues[queue_of(name)]), "messages are left in the queue", name)
        waiting = node.rows("SELECT state, type, reason FROM inbox WHERE state <> 'done'")
        require(not waiting or not world.keeps_order, "events are left open", name, waiting)
        if world.keeps_order:
            wants = _wants(node)
            missing = [event for event in world.events.values() if wants(event.type)]
            unheard = [event.type for event in missing if event.event_id not in world.seen[name].reacted]
            require(not unheard, "events were never heard", name, unheard)
    pending = world.alliance["notifications"].rows("SELECT 1 FROM deliveries WHERE state = 'pending'")
    require(not pending, "deliveries are left pending", len(pending))


def everybody_agrees(world: World) -> None:
    """The four services and the model tell one story: members, ballots, accounts, archive."""
    model, rows = world.model, {name: node.rows for name, node in world.alliance.nodes.items()}
    if not world.keeps_order:
        return
    roster = {row[0] for row in rows["membership"]("SELECT member_id FROM members WHERE left_at IS NULL")}
    roll = {row[0] for row in rows["meetings"]("SELECT unit_id FROM units WHERE left_at IS NULL")}
    require(roster == roll == model.voters == set(model.members) - model.left, "services disagree on the members")
    require(set(model.members) == model.account_holders, "members without an account, or accounts without a member")
    require(model.left == model.closed_holders, "accounts of units that have left are open")
    require(not model.leaving, "a unit has not left on its day")
    for application in model.applications.values():
        key = application.application_id
        require(application.state not in ("accepted", "approved"), "an application is left undecided", key)
        if application.state in ("admitted", "refused"):
            require((COMMITTEE, key) in model.ballots, "decided without the committee", key)
        require((application.state == "admitted") == (key in model.members.values()), "admitted, or not, or twice", key)
        last = model.ballots.get((MEETING, key))
        if application.state == "refused" and last is not None:
            require(not last.passed, "refused by a ballot that passed", key)
    require(all(ballot.state != "open" for ballot in model.ballots.values()), "a ballot is left open")


def _wants(node: Node) -> Callable[[str], bool]:
    patterns = node.consumer.patterns
    return lambda event_type: "#" in patterns or event_type in patterns
