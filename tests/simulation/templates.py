"""The founded alliance that every seed begins with: migrated once per process, the same in every process.

`fresh` has the founding's events still in the outboxes; `settled` has them all delivered.
"""

from __future__ import annotations

import random
import sqlite3
import tomllib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from services.meetings.commands.charter import adopt_charter
from services.membership.commands.founding import found
from services.membership.domain.founding import FoundingRules
from services.membership.schemas.founding import read_founding
from tests.builders.founding import founding_yaml
from tests.simulation.alliance import SERVICES, Alliance, Effect, built
from tests.simulation.faults import Faults
from tests.simulation.silence import quietly

#: When the alliance is founded: a Monday morning in Zhuzhou.
FOUNDED = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
#: Units of the alliance: seven have seats in the committee, two have not.
UNITS = 9
#: Seals the signing keys of every run.
MASTER_SECRET = "simulated"
CHARTER = Path(__file__).parents[2] / "deploy" / "charter" / "zhuzhou.toml"


@dataclass(frozen=True)
class Template:
    """A founded alliance at one instant: the databases, and what the world around them remembers."""

    databases: dict[str, sqlite3.Connection]
    #: What each service had reacted to.
    effects: dict[str, tuple[Effect, ...]]
    #: Ids of the events that the bus had confirmed.
    confirmed: frozenset[str]


@lru_cache(maxsize=1)
def charter() -> dict[str, Any]:
    """The shipped charter."""
    return tomllib.loads(CHARTER.read_text("utf-8"))


@lru_cache(maxsize=1)
def templates() -> tuple[Template, Template]:
    """`fresh` and `settled`."""
    with quietly(_complain):
        return _make()


def _make() -> tuple[Template, Template]:
    for name, made in built().items():
        made.connection.faults = None
        made.assembly.migrate()
        assert not made.assembly.pending_migrations(), name
    counts: Counter[str] = Counter()
    empty = Template(_copy(), dict.fromkeys(SERVICES, ()), frozenset())
    alliance = Alliance(empty, Faults(random.Random(0), 0, counts), FOUNDED, counts)
    with alliance["meetings"].assembly.begin() as work:
        adopt_charter(work, charter())
    founding = read_founding(founding_yaml(UNITS).encode(), FoundingRules()).founding
    with alliance["membership"].assembly.begin() as work:
        # Nobody signs in here, so the hash needs no password and no time.
        found(work, founding, master_secret=MASTER_SECRET, password_hash="none")
    alliance.clock.advance(60)
    fresh = _template(alliance)
    while _step(alliance):
        alliance.clock.advance(1)
    assert not any(node.rows("SELECT 1 FROM inbox WHERE state <> 'done'") for node in alliance.nodes.values())
    return fresh, _template(alliance)


def _complain(text: str) -> None:
    raise AssertionError(text)


def _step(alliance: Alliance) -> bool:
    moved = False
    for node in alliance.nodes.values():
        moved |= node.relay.publish_waiting() != (0, 0)
        moved |= bool(alliance.bus.deliver(f"{node.name}.inbox", 100))
        moved |= node.consumer.retry_due() > 0
    return moved


def _template(alliance: Alliance) -> Template:
    effects = {name: tuple(node.journal.stored) for name, node in alliance.nodes.items()}
    return Template(_copy(), effects, frozenset(alliance.bus.confirmed))


def _copy() -> dict[str, sqlite3.Connection]:
    copies = {}
    for name in SERVICES:
        copies[name] = sqlite3.connect(":memory:", check_same_thread=False)
        built()[name].connection.backup(copies[name])
    return copies
