"""What a running service is made of: settings, clock, identifiers, logging, health, processes."""
