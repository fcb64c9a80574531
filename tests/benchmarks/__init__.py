"""Measurements. They are run by hand through `make`, never by pytest."""
