"""Rules of subscriptions, deliveries and timelines: pure functions on frozen values."""
