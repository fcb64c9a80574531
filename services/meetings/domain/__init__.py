"""Pure rules of meetings: standard library and shared.errors only."""
