"""The deterministic simulation: four services, one thread, one seeded source of chance, and everything that goes wrong.

`run` plays a seed: a scheduler takes one step after the other (a command, a batch of the relay, of a consumer, a timer,
a jump of the clock), `faults` spoils some of them, `invariants` are asked after each. Then the faults end, everything
must drain, and the state must agree with `model`, which knows no database and no bus. The same seed gives the same
run, step by step. How to run it: `docs/testing.md`.
"""
