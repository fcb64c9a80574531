"""The manifest of meetings: the only module that outsiders import. Must not do anything."""

from __future__ import annotations

from pathlib import Path

from services.meetings.api import BLUEPRINTS
from services.meetings.api.charter_command import run_adopt_charter
from services.meetings.events import CONSUMES, PUBLISHES
from services.meetings.reactions import PROJECTIONS, REACTIONS
from services.meetings.tables import METADATA
from services.meetings.timers import TIMERS
from shared.runtime.service import Service

SERVICE = Service(
    name="meetings",
    title="Meetings: the charter in force, the electoral roll, ballots",
    root=Path(__file__).parent,
    metadata=METADATA,
    publishes=PUBLISHES,
    consumes=CONSUMES,
    reactions=REACTIONS,
    projections=PROJECTIONS,
    blueprints=BLUEPRINTS,
    timers=TIMERS,
    console_commands={"adopt-charter": run_adopt_charter},
)
