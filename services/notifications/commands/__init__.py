"""Changes of subscriptions, deliveries and notices. No HTTP, no network, no commit."""
