"""The pages, a module per subject. Each asks the APIs and hands their answers to a template; no rules."""

from services.console.pages import home, signing, style

BLUEPRINTS = (home.blueprint, signing.blueprint, style.blueprint)
