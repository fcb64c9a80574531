"""Sealing with a secret that only the browser has: what is stored is of no use without its cookie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

#: 256 bits in hexadecimal, as `Identifiers.secret` makes them.
SECRET = re.compile(r"[0-9a-f]{64}")


def digest_of(secret: str) -> str:
    """What a secret is stored and found under."""
    return hashlib.sha256(secret.encode()).hexdigest()


def seal(secret: str, content: Any) -> str:
    """Text that only the secret opens again (Fernet: AES-128-CBC with HMAC-SHA256)."""
    return Fernet(_key(secret, "seal")).encrypt(json.dumps(content, ensure_ascii=False).encode()).decode()


def unseal(secret: str, sealed: str) -> Any:
    """What was sealed, or None where this secret does not open it."""
    try:
        return json.loads(Fernet(_key(secret, "seal")).decrypt(sealed.encode()))
    except InvalidToken:
        return None


def form_token(secret: str) -> str:
    """What a form carries to show that a page of ours made it: bound to the cookie, stored nowhere (OWASP: HMAC token)."""
    return _mac(secret, "form").hex()


def fits_form(secret: str, token: str) -> bool:
    """Whether a form came from a page made for this cookie."""
    return hmac.compare_digest(form_token(secret).encode(), token.encode("utf-8", "surrogatepass"))


def _key(secret: str, purpose: str) -> bytes:
    return base64.urlsafe_b64encode(_mac(secret, purpose))


def _mac(secret: str, purpose: str) -> bytes:
    return hmac.new(secret.encode(), f"lianmeng console {purpose}".encode(), hashlib.sha256).digest()
