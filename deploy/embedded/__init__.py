"""The embedded mode: the four services of an alliance in one process, a SQLite file each, no broker.

For a first look, a small office, and fast journeys. It runs the same relays, consumers, reactions and timers as every
other way of running; it must not contain a second version of any of them.
"""
