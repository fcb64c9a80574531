"""The manifest of finance: the one module that outsiders import. Nothing runs here."""

from __future__ import annotations

from pathlib import Path

from services.finance.api import BLUEPRINTS
from services.finance.events import CONSUMES, PUBLISHES
from services.finance.reactions import PROJECTIONS, REACTIONS
from services.finance.tables import METADATA
from services.finance.timers import TIMERS
from shared.runtime.service import Service

SERVICE = Service(
    name="finance",
    title="Finance: the alliance's double-entry ledger, six funding sources, spending for charter purposes only",
    root=Path(__file__).parent,
    metadata=METADATA,
    publishes=PUBLISHES,
    consumes=CONSUMES,
    reactions=REACTIONS,
    projections=PROJECTIONS,
    blueprints=BLUEPRINTS,
    timers=TIMERS,
)
