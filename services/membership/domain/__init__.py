"""Rules of membership: pure, standard library and shared.errors only. No clock, no database, no request."""
