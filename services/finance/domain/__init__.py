"""Rules of the ledger: pure functions on frozen values. No clock, no database, no request."""
