"""How a fault is struck: while numbers are being said, and with a verdict at its end that goes into the report.

What every fault here shares: nobody restarts a process, and none dies of a network or a broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from tests.faults.harness import Rig
from tests.faults.proxy import Proxy
from tests.faults.report import Report
from tests.waiting import stays, wait_until

#: Effects that are seen before a fault is struck: only what works can be broken.
EFFECTS_BEFORE = 20
#: Events that must wait in the outbox before a standstill is believed, and how long no more may have been sent, in seconds.
BACKLOG_MIN = 10
HALT_SECONDS = 1.0


def strike(
    rig: Rig,
    report: Report,
    name: str,
    fault: Callable[[], None],
    *,
    events: int = 300,
    per_second: float = 100,
    deadly: bool = False,
) -> None:
    """Strike once, under load. `fault` returns when it is over; from then on recovery is measured.

    Unless the fault is `deadly` by intention, no process may have died of it.
    """
    before = [list(process.deaths) for process in rig.processes]
    try:
        with rig.loading(events=events, per_second=per_second):
            rig.wait_for_more_effects(EFFECTS_BEFORE)
            with rig.fault():
                fault()
        verdict = rig.settle()
        report.add(name, verdict)
        verdict.assert_clean()
        assert deadly or [process.deaths for process in rig.processes] == before, "a process died of it"
    except BaseException as error:
        error.add_note(rig.logs())
        raise


def sent(rig: Rig) -> int:
    """How many rows of alpha's outbox are marked as confirmed."""
    return int(rig.query("alpha", "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL")[0][0])


def expect_a_standstill(rig: Rig, seconds: float) -> None:
    """Numbers go on being acknowledged and wait; nothing more is marked sent, once what was on its way has settled."""
    acknowledged = len(rig.promised.acknowledged)
    last, since = -1, time.monotonic()

    def halted() -> bool:
        nonlocal last, since
        marked = sent(rig)
        if marked != last:
            last, since = marked, time.monotonic()
        return rig.unsent() >= BACKLOG_MIN and time.monotonic() - since >= HALT_SECONDS

    wait_until(halted, "events waiting in the outbox, and no more marked sent")
    stays(lambda: sent(rig) == last, "nothing marked sent without a confirm", seconds=seconds, every=0.2)
    assert len(rig.promised.acknowledged) > acknowledged, "commits stopped with the broker"


def through(proxy: Proxy, url: str) -> str:
    """The same URL by way of the proxy."""
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{proxy.port}"))
