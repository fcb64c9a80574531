"""Who is calling and what that allows: tokens, verification keys, permissions, rate limits."""
