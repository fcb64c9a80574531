"""The manifest of the console: the one module that outsiders import. Wires, decides nothing."""

from __future__ import annotations

from pathlib import Path

from services.console.application import create_console
from services.console.tables import METADATA
from shared.runtime.service import Service

SERVICE = Service(
    name="console",
    title="Console",
    root=Path(__file__).parent,
    metadata=METADATA,
    publishes={},
    consumes={},
    reactions={},
    blueprints=(),
    make_web=create_console,
)
