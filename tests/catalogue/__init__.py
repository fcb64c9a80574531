"""A catalogue of seeded bugs: what is known to go wrong in systems like this, put back in, one at a time.

`make bugs` shows for each that a named test notices. It proves nothing about the code; it proves something about the tests.
"""
