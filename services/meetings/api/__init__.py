"""The ways in: HTTP and the command line. Parse, call, answer; no rules."""

from services.meetings.api import ballots, charter, roll

BLUEPRINTS = (charter.blueprint, ballots.blueprint, roll.blueprint)
