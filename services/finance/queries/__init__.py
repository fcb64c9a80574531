"""Reads of the ledger; plain data, no rules, no change."""
