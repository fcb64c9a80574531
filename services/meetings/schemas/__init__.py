"""What callers send and get: shapes only, no rules."""
