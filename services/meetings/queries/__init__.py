"""Reads of meetings: plain data out, nothing changed."""
