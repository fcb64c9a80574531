"""Idempotency keys: a request that is sent again has one effect and gets the same answer.

The key row is inserted first, in the same transaction as the effect. A parallel request with the same key waits
for that transaction (PostgreSQL: on the unique key; SQLite: on the write lock) and then finds the stored answer, or,
if the first was refused, does the work itself. Only successful answers are kept: a refusal changed nothing, and
the same key may be used again once its reason is mended.

What a row betrays: nothing without the key. Rows are found by a hash, the request is remembered as a keyed hash,
and the answer, which may hold a secret that is shown only once, is encrypted under a key derived from the client's
idempotency key. Rows expire after 24 hours and `purge_idempotency_keys` deletes them; after that the same key
is a new request.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Response, current_app, request
from flask_smorest.utils import resolve_schema_instance

from shared.errors import Conflict, Invalid
from shared.persistence.columns import Json, Utc, kernel_metadata
from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.assembly import Assembly
from shared.runtime.service import Timer
from shared.web.apidoc import amend
from shared.web.context import begin_work, caller
from shared.web.json_bodies import Malformed

#: How long a client may come back with the same key, as we publish it.
KEPT_FOR = timedelta(hours=24)
#: Rows deleted per purge, so that a purge never holds its locks for long.
PURGE_MAX = 1_000
#: Ten minutes: expired rows only take up room.
PURGE_EVERY_SECONDS = 600.0
#: Times a key is looked for again when its row vanished under our eyes (expired and purged, or its owner refused).
_ATTEMPTS = 3
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_NONCE_BYTES = 12
#: Headers worth replaying; the rest belongs to the one exchange.
_KEPT_HEADERS = ("Content-Type", "Content-Language", "Location", "ETag")

idempotency_keys = sa.Table(
    "idempotency_keys",
    kernel_metadata,
    sa.Column("lookup", sa.String(64), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer, nullable=True),
    sa.Column("headers", Json, nullable=True),
    sa.Column("answer", sa.LargeBinary, nullable=True),
    sa.Column("expires_at", Utc(), nullable=False),
    sa.Index("ix_idempotency_keys_expires_at", "expires_at"),
)

View = TypeVar("View", bound=Callable[..., Any])


class _NotKept(Exception):
    """Carries an unsuccessful answer out of the unit of work, which rolls back on its way."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class _Ticket:
    """One request's place in the store, derived from its idempotency key.

    `who` is everything that the view takes for a proof of who is asking, so that a stored answer is shown only to
    somebody who proves the same.
    """

    def __init__(self, who: Sequence[str], method: str, path: str, key: str, body: bytes) -> None:
        where = json.dumps([*who, method, path])
        secret = hmac.digest(key.encode(), where.encode(), "sha256")
        self.lookup = hashlib.sha256(b"lookup\n" + secret).hexdigest()
        # Keyed: a plain hash of a ballot paper with three possible choices would be its choice.
        self.fingerprint = hmac.new(secret, b"body\n" + body, "sha256").hexdigest()
        self._cipher = AESGCM(hmac.digest(secret, b"answer", "sha256"))

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        return nonce + self._cipher.encrypt(nonce, plain, self.lookup.encode())

    def open(self, sealed: bytes) -> bytes:
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self.lookup.encode())


def idempotent(view: View) -> View:
    """Run the view in a unit of work at most once per Idempotency-Key; `current_work()` is that unit.

    Refuses a missing or malformed key (400) and a key that came with another body before (422). The view must send
    nothing to the outside by itself: it may run again if the commit fails.
    """
    proofs = _declared_headers(view)

    @wraps(view)
    def once(*args: Any, **kwargs: Any) -> Response:
        ticket = _ticket(proofs)
        try:
            with begin_work() as work:
                stored = _claim(work, ticket)
                if stored is not None:
                    return _replay(stored, ticket)
                response: Response = current_app.make_response(view(*args, **kwargs))
                if not 200 <= response.status_code < 300:
                    raise _NotKept(response)
                _keep(work, ticket, response)
        except _NotKept as unsuccessful:
            return unsuccessful.response
        return response

    amend(once, parameters=["IDEMPOTENCY_KEY"], responses={"400": "BAD_REQUEST"})
    return once  # type: ignore[return-value]  # same signature as the view, seen from the router


def purge_idempotency_keys(work: UnitOfWork) -> int:
    """Delete up to a thousand expired rows; returns how many went. Call again at once while that is the maximum."""
    expired = (
        sa.select(idempotency_keys.c.lookup)
        .where(idempotency_keys.c.expires_at <= work.now)
        .order_by(idempotency_keys.c.expires_at)
        .limit(PURGE_MAX)
    )
    done = work.execute(sa.delete(idempotency_keys).where(idempotency_keys.c.lookup.in_(expired)))
    return int(done.rowcount)


def _purge(assembly: Assembly) -> bool:
    with assembly.begin() as work:
        return purge_idempotency_keys(work) >= PURGE_MAX


#: For every service's TIMERS.
PURGE = Timer("idempotency-keys", PURGE_EVERY_SECONDS, _purge)


def _declared_headers(view: Callable[..., Any]) -> list[str]:
    """Names of the headers that the view reads through a schema, such as the private code of a link."""
    names: set[str] = set()
    for parameter in getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", []):
        if isinstance(parameter, dict) and parameter.get("in") in ("header", "headers"):
            schema = resolve_schema_instance(parameter["schema"])
            names |= {field.data_key or name for name, field in schema.fields.items()}
    return sorted(names)


def _ticket(proofs: Sequence[str]) -> _Ticket:
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        raise Malformed("idempotency.key_missing", field="Idempotency-Key")
    if _KEY.fullmatch(key) is None:
        raise Malformed("idempotency.key_malformed", field="Idempotency-Key")
    # Reading the body here, before the unit begins: a slow sender must not hold a transaction open.
    who = [caller().subject or "", *(request.headers.get(name, "") for name in proofs)]
    return _Ticket(who, request.method, request.path, key, request.get_data())


def _claim(work: UnitOfWork, ticket: _Ticket) -> sa.Row[Any] | None:
    """Take the key for this request (None), or return the answer that an earlier request left."""
    row = {"lookup": ticket.lookup, "fingerprint": ticket.fingerprint, "expires_at": work.now + KEPT_FOR}
    for _ in range(_ATTEMPTS):
        if work.insert_if_absent(idempotency_keys, row):
            return None
        found = work.first(sa.select(idempotency_keys).where(idempotency_keys.c.lookup == ticket.lookup))
        if found is None:
            continue
        if found.expires_at <= work.now:
            work.execute(
                sa.delete(idempotency_keys).where(
                    idempotency_keys.c.lookup == ticket.lookup, idempotency_keys.c.expires_at <= work.now
                )
            )
            continue
        if not hmac.compare_digest(found.fingerprint, ticket.fingerprint):
            raise Invalid("idempotency.key_reused", field="Idempotency-Key")
        assert found.status is not None, "a committed key has its answer"
        return found
    raise Conflict("idempotency.in_progress", retry_after_seconds=1)


def _keep(work: UnitOfWork, ticket: _Ticket, response: Response) -> None:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    nonce = bytes.fromhex(work.ids.secret())[:_NONCE_BYTES]
    work.execute(
        sa.update(idempotency_keys)
        .where(idempotency_keys.c.lookup == ticket.lookup)
        .values(status=response.status_code, headers=headers, answer=ticket.seal(response.get_data(), nonce))
    )


def _replay(stored: sa.Row[Any], ticket: _Ticket) -> Response:
    headers: Mapping[str, str] = stored.headers
    response = Response(ticket.open(stored.answer), status=stored.status, headers=dict(headers))
    response.headers["Idempotency-Replayed"] = "true"
    return response
