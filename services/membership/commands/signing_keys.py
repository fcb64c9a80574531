"""Signing keys: made, announced, used, retired. The private half leaves this module only as a signature's maker."""

from __future__ import annotations

from shared.persistence.unit_of_work import UnitOfWork


def create_first_key(work: UnitOfWork, *, master_secret: str) -> str:
    """Make the first key, which signs at once, and record `signing_key.published`; gives its kid.

    `master_secret` is `settings.secret_or_demo()`. Does nothing but give the current kid where a key exists.
    """
    raise NotImplementedError
