"""The two toy services of the fault tests, and the processes that run them: `python -m tests.faults.pair ROLE FOLDER`.

`alpha` counts aloud, `beta` writes down every number it hears. No word of the alliance's business: what the kernel
promises must hold for any service. A number may carry a mood, which tells beta how to misbehave when it hears it.

relay     alpha's worker
consumer  beta's worker
speaker   alpha's commands, as a web process would run them: a JSON line in, a line out, one unit of work each
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import marshmallow as ma
import sqlalchemy as sa

from shared.errors import Conflict, Unavailable
from shared.messaging.contracts import Consumed, ConsumedSchema, Published, PublishedSchema
from shared.messaging.envelope import Event
from shared.messaging.transport import queue_of
from shared.persistence.columns import new_metadata
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime import commands
from shared.runtime.assembly import Assembly, assemble
from shared.runtime.failpoints import Failpoints
from shared.runtime.logging import configure_logging
from shared.runtime.service import Service
from shared.runtime.settings import Settings

COUNTED = "alpha.number.counted"
QUEUE = queue_of("beta")
#: How often the speaker looks whether it is to stop, in seconds.
STOP_CHECK_SECONDS = 0.1

alpha_metadata = new_metadata()
#: What alpha has said. The number is the client's own: said twice, it is recorded once.
said = sa.Table(
    "said",
    alpha_metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("subject", sa.String(200), nullable=False),
)

beta_metadata = new_metadata()
#: What beta did. Nothing here keeps a number from being written twice: that is what is tested.
effects = sa.Table(
    "effects",
    beta_metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()")),
)


class NumberCounted(PublishedSchema):
    """What alpha publishes."""

    number = ma.fields.Integer(required=True)
    mood = ma.fields.String(required=True)


class NumberHeard(ConsumedSchema):
    """The view beta takes of it."""

    number = ma.fields.Integer(required=True, strict=True)
    mood = ma.fields.String(load_default="")


def alpha(root: Path) -> Service:
    """The manifest of the service that counts."""
    publishes = {COUNTED: Published(NumberCounted, "a number was counted aloud")}
    return _service("alpha", root, alpha_metadata, publishes=publishes)


def beta(root: Path) -> Service:
    """The manifest of the service that writes down."""
    consumes = {COUNTED: Consumed(NumberHeard)}
    return _service("beta", root, beta_metadata, consumes=consumes, reactions={COUNTED: write_down})


def _service(name: str, root: Path, metadata: sa.MetaData, **parts: Any) -> Service:
    (root / name / "migrations" / "versions").mkdir(parents=True, exist_ok=True)
    nothing: Mapping[str, Any] = {"publishes": {}, "consumes": {}, "reactions": {}, "blueprints": ()}
    return Service(name=name, title=name, root=root / name, metadata=metadata, **{**nothing, **parts})


# ---------------------------------------------------------------- beta's reaction and its moods
#: A table whose presence in beta's database tells the mood `deadly` that the bug has been mended.
MENDED = "mended"
_attempts: Counter[str] = Counter()


def write_down(work: UnitOfWork, event: Event) -> None:
    """Beta's reaction: one row per number, after the event's mood had its way."""
    name, _, amount = event.data["mood"].partition(":")
    if name:
        _attempts[event.id] += 1
        MOODS[name](work, float(amount or 0), _attempts[event.id])
    work.execute(effects.insert().values(number=event.data["number"], subject=event.subject, sequence=event.sequence))


def _unavailable(_work: UnitOfWork, times: float, attempt: int) -> None:
    if attempt <= times:
        raise Unavailable("server.unavailable")


def _broken(_work: UnitOfWork, times: float, attempt: int) -> None:
    if attempt <= times:
        raise RuntimeError("a bug, for the time being")


def _refusing(_work: UnitOfWork, times: float, attempt: int) -> None:
    if attempt <= times:
        raise Conflict("server.unavailable")


def _sleeping(work: UnitOfWork, seconds: float, _attempt: int) -> None:
    work.execute(sa.select(sa.func.pg_sleep(seconds)))


def _deadly(work: UnitOfWork, _amount: float, _attempt: int) -> None:
    if work.scalar(sa.text(f"SELECT to_regclass('{MENDED}')")) is None:
        os.kill(os.getpid(), signal.SIGKILL)


def _sqlstate(code: str) -> Callable[[UnitOfWork, float, int], None]:
    def fail(work: UnitOfWork, times: float, attempt: int) -> None:
        if attempt <= times:
            work.execute(sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'told to' USING ERRCODE = '{code}'; END $$"))

    return fail


#: How a reaction may misbehave: `name:amount`, the amount being seconds, or calls that fail. The first attempt of an
#: event makes two of these: with its batch, and alone.
MOODS: Mapping[str, Callable[[UnitOfWork, float, int], None]] = {
    "unavailable": _unavailable,
    "broken": _broken,
    "refusing": _refusing,
    "sleeping": _sleeping,
    "deadly": _deadly,
    "serialization": _sqlstate("40001"),
    "deadlock": _sqlstate("40P01"),
    "disk_full": _sqlstate("53100"),
}


# ---------------------------------------------------------------- processes
def prepare(root: Path, environments: Mapping[str, Mapping[str, str]]) -> None:
    """Bring both databases to their schema and declare beta's queue."""
    for manifest in (alpha, beta):
        service = manifest(root)
        assembly = assemble(service, Settings.from_environment(service.name, environments[service.name]))
        try:
            assembly.migrate()
            service.metadata.create_all(assembly.database.engine)
            if service.consumes:
                commands.rabbitmq_of(assembly).declare(QUEUE, assembly.consumer().patterns)
        finally:
            assembly.close()


class LateFailpoints(Failpoints):
    """`seam@3` kills at the third time the seam is reached: in the midst of things, not at the first of them."""

    def __init__(self, armed: str) -> None:
        seam, _, times = armed.partition("@")
        super().__init__(seam)
        self._times_left = int(times or 1)

    def reach(self, seam: str, details: Iterable[str] = ()) -> None:
        if seam == self._seam:
            self._times_left -= 1
            if self._times_left > 0:
                return
        super().reach(seam, details)


def _speak(assembly: Assembly) -> int:
    """Answer every line of the standard input with `new`, `known` or `failed REASON`, until it ends or SIGTERM."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    waiting = b""
    while not stopping:
        ready, _, _ = select.select([sys.stdin], [], [], STOP_CHECK_SECONDS)
        if not ready:
            continue
        chunk = os.read(sys.stdin.fileno(), 65_536)
        if not chunk:
            break
        *lines, waiting = (waiting + chunk).split(b"\n")
        for line in lines:
            sys.stdout.write(f"{_count_aloud(assembly, json.loads(line))}\n")
            sys.stdout.flush()
    return 0


def _count_aloud(assembly: Assembly, request: dict[str, Any]) -> str:
    try:
        with assembly.begin() as work:
            if not work.insert_if_absent(said, {"number": request["number"], "subject": request["subject"]}):
                return "known"
            data = {"number": request["number"], "mood": request["mood"]}
            work.record(COUNTED, subject=request["subject"], data=data)
    except Exception as error:  # noqa: BLE001 - whatever it was, the client is told and asks again
        return f"failed {type(error).__name__}: {str(error).splitlines()[0]}"
    return "new"


def main(role: str, root: Path) -> int:
    """Run one process of the pair."""
    service = beta(root) if role == "consumer" else alpha(root)
    settings = Settings.from_environment(service.name)
    configure_logging(settings.log_level, service.name)
    assembly = assemble(service, settings, failpoints=LateFailpoints(settings.failpoint))
    try:
        return _speak(assembly) if role == "speaker" else commands.worker(assembly, [])
    finally:
        assembly.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
