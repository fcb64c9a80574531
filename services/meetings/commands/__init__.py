"""Changes to the charter, the electoral roll and ballots: one function per change, none of which commits."""
