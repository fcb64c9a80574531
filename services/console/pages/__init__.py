"""The pages, a module per subject. Each asks the APIs and hands their answers to a template; no rules."""

from services.console.pages import (
    activating,
    applying,
    ballots,
    charter,
    desk,
    founding,
    home,
    me,
    notices,
    operations,
    roster,
    signing,
    status,
    style,
    subscriptions,
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
    me.blueprint,
    notices.blueprint,
    operations.blueprint,
    roster.blueprint,
    signing.blueprint,
    status.blueprint,
    style.blueprint,
    subscriptions.blueprint,
    timelines.blueprint,
)
