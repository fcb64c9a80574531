"""Makers of valid sample data, one file per subject; each takes only what the test wants to be different."""
