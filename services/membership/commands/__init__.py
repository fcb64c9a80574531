"""Changes: one function each, inside the caller's unit of work. Never commits, never reads a request."""
