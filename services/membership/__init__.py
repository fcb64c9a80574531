"""Membership: applications, the roster, offices, accounts, and the tokens everybody else verifies."""
