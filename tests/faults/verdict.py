"""Jepsen's checker for queues: what became of every number that was acknowledged, and of those whose outcome is unknown.

Pure: it judges what the rig has read from the databases.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Effect:
    """One thing beta did, in the order it did it."""

    number: int
    subject: str
    sequence: int


@dataclass
class Promised:
    """What the client knows: acknowledged numbers with their subjects, in the order of saying, and unknown outcomes."""

    acknowledged: dict[int, str] = field(default_factory=dict)
    #: Attempts that ended without an answer, or with an error. Each number was tried again until acknowledged.
    unknown: set[int] = field(default_factory=set)
    #: What the client was told instead of an acknowledgement.
    failures: list[str] = field(default_factory=list)
    #: Of those, the numbers that had been stored all the same.
    stored_unseen: set[int] = field(default_factory=set)
    #: Tried last when the load was given up; never acknowledged.
    given_up: dict[int, str] = field(default_factory=dict)
    #: Whether the order of saying is the order of committing: not where several writers said at once.
    in_order: bool = True


@dataclass(frozen=True)
class Verdict:
    """What became of everything that was said."""

    #: Acknowledged.
    events: int
    #: Acknowledged, and had its effect once.
    ok: int
    #: Acknowledged, and neither had its effect nor waits anywhere.
    lost: tuple[int, ...]
    #: Had its effect more than once.
    duplicated: tuple[int, ...]
    #: Effects of what nobody said, or in another subject.
    unexpected: tuple[int, ...]
    #: Had its effect after a later number of its subject.
    out_of_order: tuple[int, ...]
    #: Their outcome was unknown to the client, and they had been stored.
    recovered: tuple[int, ...]
    #: Wait in the inbox: for an operator, or behind one that does.
    parked: tuple[int, ...]
    #: Wait in the inbox although nothing holds them, or in the outbox.
    stuck: tuple[int, ...]
    #: From the end of the fault until everything was drained; None: it was not, in time.
    recovery_seconds: float | None

    def assert_clean(self, *, parked: Collection[int] = ()) -> None:
        """Nothing lost, twice, unexpected, out of order or stuck; parked exactly these; drained in time."""
        assert not self.lost, f"lost: {self._shown(self.lost)}"
        assert not self.duplicated, f"effect twice: {self._shown(self.duplicated)}"
        assert not self.unexpected, f"unexpected: {self._shown(self.unexpected)}"
        assert not self.out_of_order, f"out of order: {self._shown(self.out_of_order)}"
        assert sorted(self.parked) == sorted(parked), f"parked: {self._shown(self.parked)}, expected {sorted(parked)}"
        assert not self.stuck, f"stuck: {self._shown(self.stuck)}"
        assert self.recovery_seconds is not None, f"not drained in time: {self}"
        assert self.ok > 0, "nothing happened"

    def _shown(self, numbers: Sequence[int]) -> str:
        return f"{len(numbers)}: {list(numbers[:20])} in {self}"


def judge(
    promised: Promised,
    effects: Sequence[Effect],
    *,
    parked: Collection[int],
    waiting: Collection[int],
    recovery_seconds: float | None,
) -> Verdict:
    """Classify. `parked` and `waiting` are the numbers the inbox keeps open, `waiting` also those still unsent."""
    said = {**promised.acknowledged, **promised.given_up}
    times = Counter(effect.number for effect in effects)
    somewhere = set(parked) | set(waiting)
    had = {effect.number for effect in effects if said.get(effect.number) == effect.subject}
    return Verdict(
        events=len(promised.acknowledged),
        ok=sum(1 for number in promised.acknowledged if times[number] == 1 and number in had),
        lost=tuple(number for number in promised.acknowledged if number not in had and number not in somewhere),
        duplicated=tuple(number for number, count in times.items() if count > 1),
        unexpected=tuple(effect.number for effect in effects if said.get(effect.number) != effect.subject),
        out_of_order=tuple(_out_of_order(effects, list(said) if promised.in_order else [])),
        recovered=tuple(promised.stored_unseen | {number for number in promised.given_up if times[number]}),
        parked=tuple(sorted(parked)),
        stuck=tuple(sorted(set(waiting) - had)),
        recovery_seconds=recovery_seconds,
    )


def _out_of_order(effects: Sequence[Effect], order_of_saying: Sequence[int]) -> list[int]:
    place: Mapping[int, int] = {number: index for index, number in enumerate(order_of_saying)}
    latest: dict[str, tuple[int, int]] = defaultdict(lambda: (-1, -1))
    found: list[int] = []
    seen: set[int] = set()
    for effect in effects:
        if effect.number in seen:
            continue  # judged as a duplicate
        seen.add(effect.number)
        mark = (effect.sequence, place.get(effect.number, -1))
        sequence, said_at = latest[effect.subject]
        if mark[0] < sequence or mark[1] < said_at:
            found.append(effect.number)
        latest[effect.subject] = max(sequence, mark[0]), max(said_at, mark[1])
    return found
