"""HTTP of notifications: parse, call, answer. No rules, and no sending."""

from services.notifications.api import archive, deliveries, notices, subscriptions, timelines

BLUEPRINTS = (subscriptions.blueprint, notices.blueprint, deliveries.blueprint, timelines.blueprint, archive.blueprint)
