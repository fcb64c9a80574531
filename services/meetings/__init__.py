"""Meetings: the charter in force, the electoral roll, ballots and how they are counted. See README.md."""
