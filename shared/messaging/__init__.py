"""Events out and in: envelope, contracts, outbox, inbox, relay, consumer and the two transports."""
