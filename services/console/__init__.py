"""The web console: pages for people, made from what the four APIs answer. No rule of the charter is decided here."""
