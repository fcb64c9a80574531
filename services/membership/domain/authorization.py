"""Authorization requests of people's applications (RFC 6749, 4.1; RFC 7636; RFC 9700): which are taken up, and what a
code is worth. Knows no page, no person and no clock of its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.errors import Invalid

#: From the sign-in page to the token endpoint it is one redirect. RFC 6749 allows ten minutes; a code that got into a
#: log or a history should be worth nothing by the time somebody finds it.
CODE_LIFETIME = timedelta(seconds=60)
#: What a token of a person reaches: all that its person may do, as their roles say. There is nothing less to ask for yet.
ACCOUNT_SCOPE = "account"

#: SHA-256 in base64url without padding (RFC 7636, 4.2).
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
#: RFC 7636, 4.1.
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
#: RFC 6749, 3.3.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")


@dataclass(frozen=True)
class PublicClient:
    """An application in which a person signs in. It can keep no secret; PKCE ties a code to whoever asked for it."""

    client_id: str
    #: Where a person may be sent back to, exactly. One that begins with a slash lies below the public address.
    redirect_uris: tuple[str, ...]

    def absolute_redirect_uris(self, public_url: str) -> frozenset[str]:
        """The whole addresses."""
        return frozenset(f"{public_url}{uri}" if uri.startswith("/") else uri for uri in self.redirect_uris)


#: Every application that people may sign in to.
PUBLIC_CLIENTS: Mapping[str, PublicClient] = {
    each.client_id: each for each in (PublicClient("console", redirect_uris=("/sign-in/back",)),)
}


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request that may be shown the sign-in page."""

    client_id: str
    redirect_uri: str
    code_challenge: str
    state: str | None


class AuthorizationRefused(Exception):
    """An error that the application is told of by sending the person back (RFC 6749, 4.1.2.1)."""

    def __init__(self, error: str, description: str, *, redirect_uri: str, state: str | None) -> None:
        super().__init__(error)
        self.error, self.description = error, description
        self.redirect_uri, self.state = redirect_uri, state


def read_request(parameters: Mapping[str, Sequence[str]], public_url: str) -> AuthorizationRequest:
    """The request in these parameters, each with all its values.

    Invalid `authorization.client_unknown` or `authorization.redirect_uri_unknown`: the person stays here, for nobody is
    sent to an address that no application has registered. Every other fault is AuthorizationRefused. Parameters that
    are not known are ignored, as RFC 6749, 3.1 demands.
    """
    given = {name: [value for value in values if value] for name, values in parameters.items()}
    client = PUBLIC_CLIENTS.get(_only(given, "client_id") or "")
    if client is None:
        raise Invalid("authorization.client_unknown")
    redirect_uri = _only(given, "redirect_uri")
    if redirect_uri not in client.absolute_redirect_uris(public_url):
        raise Invalid("authorization.redirect_uri_unknown")
    state = _only(given, "state")
    fault = _fault_of(given)
    if fault is not None:
        raise AuthorizationRefused(*fault, redirect_uri=redirect_uri, state=state)
    return AuthorizationRequest(client.client_id, redirect_uri, given["code_challenge"][0], state)


def _only(given: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = given.get(name, ())
    return values[0] if len(values) == 1 else None


def _fault_of(given: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Error and description, or nothing to object."""
    if any(len(values) > 1 for values in given.values()):
        return "invalid_request", "A parameter came more than once."
    response_type = _only(given, "response_type")
    if response_type is None:
        return "invalid_request", "response_type is missing."
    if response_type != "code":
        return "unsupported_response_type", "Only code is offered."
    if _CHALLENGE.fullmatch(_only(given, "code_challenge") or "") is None:
        return "invalid_request", "code_challenge must be 43 characters of base64url (RFC 7636)."
    if _only(given, "code_challenge_method") != "S256":
        return "invalid_request", "code_challenge_method must be S256."
    scope = _only(given, "scope")
    if scope is not None and _SCOPE.fullmatch(scope) is None:
        return "invalid_scope", "The scope is malformed."
    if "none" in (_only(given, "prompt") or "").split():
        # Nobody is ever signed in here without being asked: the application has its own session for that.
        return "login_required", "A person must sign in on the page."
    return None


def fits_challenge(code_verifier: str, code_challenge: str) -> bool:
    """Whether the verifier is the one that the challenge was made of (S256)."""
    if _VERIFIER.fullmatch(code_verifier) is None:
        return False
    digest = hashlib.sha256(code_verifier.encode("ascii")).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii"), code_challenge)
