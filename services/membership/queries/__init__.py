"""Reads: each gives plain data. Nothing here changes anything or knows who is asking."""
