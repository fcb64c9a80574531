"""Changes of the ledger: load, decide by the domain's rules, save, record events. No HTTP and no commit."""
