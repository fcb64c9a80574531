"""The console in a real browser, as people use it; what it shows is looked at by code, and kept as pictures."""
