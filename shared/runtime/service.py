"""The manifest: what a service tells the runtime about itself. Types only; nothing here runs anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from shared.messaging.contracts import Consumed, Published, Reaction
from shared.messaging.rebuilding import Projection

if TYPE_CHECKING:
    from shared.runtime.assembly import Assembly

#: Does what is due; returns True when there is more to do at once.
Due = Callable[["Assembly"], bool]
#: A command for operators: its arguments in, its exit status out.
ConsoleCommand = Callable[["Assembly", Sequence[str]], int]


@dataclass(frozen=True)
class Timer:
    """Something that falls due by itself. Each has a thread in the worker; it opens its own units of work."""

    name: str
    every_seconds: float
    run: Due
    #: Run also right after a commit, when the work it does is born in one.
    wakes_on_commit: bool = False


@dataclass(frozen=True)
class Service:
    """One service, complete."""

    name: str
    title: str
    root: Path
    metadata: sa.MetaData
    publishes: Mapping[str, Published]
    consumes: Mapping[str, Consumed]
    reactions: Mapping[str, Reaction]
    # flask-smorest blueprints; typed loosely so that a worker need not load Flask to read a manifest.
    blueprints: Sequence[Any]
    timers: Sequence[Timer] = ()
    console_commands: Mapping[str, ConsoleCommand] = field(default_factory=dict)
    #: Builds the web application (Flask) of a service that has pages for people instead of an API, from its assembly and, where
    #: the APIs are in the same process, from a transport (httpx) that reaches them.
    make_web: Callable[..., Any] | None = None
    #: What can be made anew from the feeds of others: `rebuild`.
    projections: Sequence[Projection] = ()

    def __post_init__(self) -> None:
        foreign = [name for name in self.publishes if not name.startswith(f"{self.name}.")]
        assert not foreign, f"{self.name} cannot publish {foreign}"
        assert set(self.consumes) == set(self.reactions), f"{self.name}: CONSUMES and REACTIONS differ"
        unheard = {each for projection in self.projections for each in projection.events} - set(self.consumes)
        assert not unheard, f"{self.name}: projections of events it does not hear: {unheard}"
