"""The pages, a module per subject. Each asks the APIs and hands their answers to a template; no rules."""

from services.console.pages import home, operations, signing, style

BLUEPRINTS = (home.blueprint, operations.blueprint, signing.blueprint, style.blueprint)
