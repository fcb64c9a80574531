"""HTTP of membership: parse, ask who is calling, call one command or query, answer. No rules here."""
