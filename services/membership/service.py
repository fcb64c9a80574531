"""The manifest of membership: the one module that outsiders import. Wires, decides nothing."""

from __future__ import annotations

from pathlib import Path

from services.membership.api import (
    accounts,
    applications,
    clients,
    founding,
    leaving,
    person_sessions,
    roster,
    sign_in_page,
    signing_keys,
    tokens,
)
from services.membership.api.founding_command import run_found
from services.membership.events import CONSUMES, PUBLISHES
from services.membership.reactions import PROJECTIONS, REACTIONS
from services.membership.tables import METADATA
from services.membership.timers import TIMERS
from shared.runtime.service import Service

SERVICE = Service(
    name="membership",
    title="Membership",
    root=Path(__file__).parent,
    metadata=METADATA,
    publishes=PUBLISHES,
    consumes=CONSUMES,
    reactions=REACTIONS,
    projections=PROJECTIONS,
    blueprints=(
        applications.blueprint,
        roster.members,
        roster.offices,
        roster.alliance,
        leaving.blueprint,
        founding.blueprint,
        accounts.session_routes,
        accounts.me,
        person_sessions.my_sessions,
        accounts.accounts,
        clients.clients,
        sign_in_page.authorization,
        tokens.oauth,
        signing_keys.signing_keys,
        signing_keys.well_known,
    ),
    timers=TIMERS,
    console_commands={"found": run_found, "rotate-keys": signing_keys.rotate_keys_command},
)
