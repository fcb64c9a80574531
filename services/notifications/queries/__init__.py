"""Reads of notifications; plain data, no rules, no change."""
