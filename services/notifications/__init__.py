"""Notifications: the archive of all events, and everybody's way to hear of them. It must not decide what happens."""
