"""A run's world: the alliance that runs, the model that says how it should be, and what has been seen of both so far.

`look` takes in what the last step has stored: new events in the outboxes, new effects of reactions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.simulation.alliance import SERVICES, Alliance, Effect
from tests.simulation.model import Ballot, Heard, Model


class Broken(AssertionError):
    """A promise that did not hold."""


def require(holds: object, promise: str, *told: object) -> None:
    """Stop the run where a promise is broken."""
    if not holds:
        raise Broken(f"{promise}: {', '.join(map(str, told))}" if told else promise)


@dataclass
class Seen:
    """How far one service has been looked at."""

    changes: int = -1
    position: int = 0
    effects: int = 0
    sequences: Counter[str] = field(default_factory=Counter)
    #: Feed number last seen.
    feed: int = 0
    #: Ids of events it reacted to, and how far each line has come.
    reacted: set[str] = field(default_factory=set)
    done_to: dict[tuple[str, str], int] = field(default_factory=dict)
    recorded: set[str] = field(default_factory=set)


class World:
    """Everything the invariants look at."""

    def __init__(self, alliance: Alliance, model: Model, *, keeps_order: bool = True) -> None:
        self.alliance = alliance
        self.model = model
        self.keeps_order = keeps_order
        #: Every event that was ever stored in an outbox.
        self.events: dict[str, Heard] = {}
        self.seen = {name: Seen() for name in SERVICES}
        #: How each ballot ended, as first stored.
        self.ended: dict[str, tuple[object, ...]] = {}
        #: Ballots whose roll has been compared.
        self.rolls: set[str] = set()
        self.fresh_effects: dict[str, Sequence[Effect]] = {}

    def look(self) -> list[str]:
        """Take in what is new; returns the services whose database has changed."""
        changed = []
        for name, node in self.alliance.nodes.items():
            seen = self.seen[name]
            if node.connection.commits != seen.changes:
                changed.append(name)
                seen.changes = node.connection.commits
                self._take_in_events(name)
        self.fresh_effects = {}
        for name, node in self.alliance.nodes.items():
            seen = self.seen[name]
            fresh = node.journal.stored[seen.effects :]
            seen.effects += len(fresh)
            self.fresh_effects[name] = fresh
        return changed

    def tell_model(self) -> None:
        """Let the model hear what the services have heard."""
        for name, effects in self.fresh_effects.items():
            for effect in effects:
                self.model.hears(name, self.events[effect.event_id], self.alliance[name].clock.now())
        self._name_ballots()

    def _take_in_events(self, name: str) -> None:
        seen = self.seen[name]
        rows = self.alliance[name].rows(
            "SELECT position, event_id, type, subject, sequence, envelope FROM outbox WHERE position > ? "
            "ORDER BY position",
            seen.position,
        )
        for position, event_id, event_type, subject, sequence, envelope in rows:
            told = json.loads(envelope)
            require(
                sequence == seen.sequences[subject] + 1 and int(told["sequence"]) == sequence,
                "the events of a subject are numbered without gaps, in the order they were stored",
                name,
                event_type,
                subject,
                sequence,
            )
            require(event_id not in self.events, "an event's id is its own", event_id)
            seen.position, seen.sequences[subject] = position, sequence
            seen.recorded.add(event_id)
            heard = Heard(event_id, event_type, told["source"], subject, sequence, told["data"])
            self.events[event_id] = heard
            self.model.says(heard)

    def _name_ballots(self) -> None:
        nameless = [ballot for ballot in self.model.ballots.values() if not ballot.ballot_id]
        for ballot in nameless:
            self._name(ballot)

    def _name(self, ballot: Ballot) -> None:
        rows = self.alliance["meetings"].rows(
            "SELECT ballot_id, closes_at FROM ballots WHERE body = ? AND application_id = ?",
            ballot.body,
            ballot.application_id,
        )
        require(len(rows) == 1, "an accepted or approved application has its ballot", ballot.application_id)
        ((ballot.ballot_id, closes_at),) = rows
        ballot.closes_at = datetime.fromisoformat(closes_at)
