"""Finance: the alliance's ledger, double entry from the first row. It must not know how members are admitted."""
