"""The pages, a module per subject. Each asks the APIs and hands their answers to a template; no rules."""

from services.console.pages import ballots, home, operations, signing, style

BLUEPRINTS = (ballots.blueprint, home.blueprint, operations.blueprint, signing.blueprint, style.blueprint)
