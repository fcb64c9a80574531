"""Secrets that people and platforms show: access codes, invitation codes, client secrets. Stores none in clear."""

from __future__ import annotations

import hashlib
import hmac


def digest(secret: str) -> str:
    """SHA-256 in hexadecimal: what is stored of a secret with 256 random bits."""
    return hashlib.sha256(secret.strip().lower().encode("utf-8", "surrogatepass")).hexdigest()


def matches(stored_digest: str | None, secret: str) -> bool:
    """Whether the secret fits, compared in constant time; no where none is stored."""
    fits = hmac.compare_digest(stored_digest or "", digest(secret))
    return fits and stored_digest is not None
