"""The pages, a module per subject. Each asks the APIs and hands their answers to a template; no rules."""

from services.console.pages import (
    activating,
    applying,
    ballots,
    charter,
    desk,
    founding,
    home,
    leaving,
    me,
    notices,
    operations,
    roster,
    signing,
    status,
    style,
    timelines,
)

BLUEPRINTS = (
    activating.blueprint,
    applying.blueprint,
    ballots.blueprint,
    charter.blueprint,
    desk.blueprint,
    founding.blueprint,
    home.blueprint,
    leaving.blueprint,
    me.blueprint,
    notices.blueprint,
    operations.blueprint,
    roster.blueprint,
    signing.blueprint,
    status.blueprint,
    style.blueprint,
    timelines.blueprint,
)
