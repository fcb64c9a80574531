"""How many small changes to the bus's code the tests notice. Holds no tests."""
