"""The manifest of notifications: the one module that outsiders import. Nothing runs here."""

from __future__ import annotations

from pathlib import Path

from services.notifications.api import BLUEPRINTS
from services.notifications.events import CONSUMES, PUBLISHES
from services.notifications.reactions import PROJECTIONS, REACTIONS
from services.notifications.tables import METADATA
from services.notifications.timers import TIMERS
from shared.runtime.service import Service

SERVICE = Service(
    name="notifications",
    title="Notifications: the archive of all events, subscriptions, deliveries, timelines",
    root=Path(__file__).parent,
    metadata=METADATA,
    publishes=PUBLISHES,
    consumes=CONSUMES,
    reactions=REACTIONS,
    projections=PROJECTIONS,
    blueprints=BLUEPRINTS,
    timers=TIMERS,
)
