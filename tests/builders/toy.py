"""A toy service with notes, for tests of the web kernel: no word of the alliance's business.

It has one route of every kind the factory treats differently. Nothing here may be imported by product code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.views import MethodView
from marshmallow import fields

from shared.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from shared.persistence.columns import Utc, new_metadata
from shared.runtime.assembly import Assembly, assemble
from shared.runtime.clock import Clock, ManualClock
from shared.runtime.identifiers import Identifiers, seeded_randomness
from shared.runtime.service import Service
from shared.runtime.settings import Settings
from shared.security.keys import new_signing_key, public_jwk, remember_key
from shared.security.rate_limits import RateLimits
from shared.security.tokens import AUDIENCE, sign
from shared.web.access import access
from shared.web.app_factory import create_app
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, begin_work, caller, current_work, reading
from shared.web.idempotency import idempotent
from shared.web.pagination import CursorQuery, following, page, page_schema
from shared.web.rate_limits import rate_limited
from shared.web.schemas import Instant, RequestSchema, ResponseSchema, Text, TrueOrFalse, WholeNumber

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
ISSUER = "urn:lianmeng:membership"
KID = "key-1"
NOTES = "/api/toy/v1/notes"

metadata = new_metadata()
notes = sa.Table(
    "notes",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("text", sa.String(400), nullable=False),
    sa.Column("written_at", Utc(), nullable=False),
)


class Author(RequestSchema):
    """A nested object."""

    name = Text(max=20, required=True)


class NoteRequest(RequestSchema):
    """One field of every sort."""

    text = Text(max=40, required=True)
    amount = WholeNumber(minimum=1, maximum=1000)
    urgent = TrueOrFalse()
    due_at = Instant()
    author = fields.Nested(Author)


class CodeHeader(RequestSchema):
    """A proof that is no token: the private code of a link."""

    code = Text(data_key="Note-Code", load_default=None)


class NoteView(ResponseSchema):
    """A note as it is shown."""

    id = fields.String(required=True)
    text = fields.String(required=True)
    written_at = Instant(required=True)


class NotesQuery(CursorQuery):
    """A filter beside the cursor."""

    starts_with = Text(max=10)


class Hooks:
    """What a test wants to happen inside the view, after the row is inserted."""

    after_insert: Callable[[], object] = staticmethod(lambda: None)


def make_blueprints(hooks: Hooks) -> list[Blueprint]:
    """Fresh blueprints, so that tests do not share hooks."""
    blueprint = Blueprint("notes", __name__, url_prefix="/notes", description="Notes")

    @blueprint.route("")
    class Notes(MethodView):
        @access(signed_in=True)
        @blueprint.arguments(NotesQuery, location="query")
        @blueprint.response(200, page_schema(NoteView))
        def get(self, query: dict[str, Any]) -> Any:
            starts_with = query.pop("starts_with", "")
            statement = sa.select(notes).where(notes.c.text.startswith(starts_with, autoescape=True))
            with reading() as look:
                rows = look.all(following(statement, notes.c.written_at, notes.c.id, **query))
            return page(rows, query["limit"], key=lambda row: (row.written_at, row.id))

        @access(public=True, scopes={"notes:write"})
        @rate_limited("write", per_minute=60, burst=3)
        @idempotent
        @blueprint.arguments(NoteRequest)
        @blueprint.response(201, NoteView)
        def post(self, body: dict[str, Any]) -> Any:
            work = current_work()
            row = {"id": work.ids.new_id(), "text": body["text"], "written_at": work.now}
            work.execute(sa.insert(notes).values(row))
            hooks.after_insert()
            if body["text"] == "refuse me":
                raise Conflict("vote.already_cast", article="6(2)", field="text")
            return row, 201, {"Location": f"{NOTES}/{row['id']}"}

    @blueprint.route("/<string:note_id>")
    class Note(MethodView):
        @access(roles={"secretariat"}, scopes={"notes:read"})
        @blueprint.response(200, NoteView)
        def get(self, note_id: str) -> Any:
            with reading() as look:
                row = look.first(sa.select(notes).where(notes.c.id == note_id))
            if row is None:
                raise NotFound("note.not_found", id=note_id)
            return row

        @access(roles={"secretariat"})
        @blueprint.response(204)
        def delete(self, note_id: str) -> None:
            with begin_work() as work:
                work.execute(sa.delete(notes).where(notes.c.id == note_id))

    _add_oddities(blueprint)
    return [blueprint, _fixed()]


def _add_oddities(blueprint: Blueprint) -> None:
    @blueprint.route("/trouble/<string:kind>")
    class Trouble(MethodView):
        @access(public=True)
        def get(self, kind: str) -> Any:
            trouble = TROUBLES[kind]()
            raise trouble

    @blueprint.route("/private")
    class Private(MethodView):
        @access(public=True)
        @idempotent
        @blueprint.arguments(CodeHeader, location="headers")
        @blueprint.arguments(NoteRequest)
        @blueprint.response(200)
        def post(self, header: dict[str, Any], body: dict[str, Any]) -> Any:
            if header["code"] != "open sesame":
                raise Forbidden("access.forbidden")
            return {"treasure": body["text"]}

    @blueprint.route("/me")
    class Me(MethodView):
        @access(public=True)
        def get(self) -> Any:
            who = caller()
            return {
                "subject": who.subject,
                "kind": who.kind,
                "roles": sorted(who.roles),
                "scopes": sorted(who.scopes),
                "unit_id": who.unit_id,
                "service": assembly().service.name,
            }


def _fixed() -> Blueprint:
    fixed = Blueprint("fixed", __name__, url_prefix="/.well-known", versioned=False)

    @fixed.route("/about")
    class About(MethodView):
        @access(public=True)
        def get(self) -> Any:
            return {"about": "toy"}

    return fixed


#: What may go wrong in a view, by name.
TROUBLES: Mapping[str, Callable[[], Exception]] = {
    "bug": lambda: ZeroDivisionError("the secret ingredient"),
    "database": lambda: sa.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection")),
    "forbidden": lambda: Forbidden("access.forbidden"),
    "invalid": lambda: Invalid("input.required", field="choice"),
    "unavailable": lambda: Unavailable("server.unavailable", retry_after_seconds=7),
}


class Toy:
    """The toy, running."""

    def __init__(self, root: Path, url: str, *, clock: Clock, limits: RateLimits | None = None) -> None:
        (root / "migrations" / "versions").mkdir(parents=True, exist_ok=True)
        self.hooks = Hooks()
        service = Service(
            name="toy",
            title="Toy",
            root=root,
            metadata=metadata,
            publishes={},
            consumes={},
            reactions={},
            blueprints=make_blueprints(self.hooks),
        )
        settings = Settings(service="toy", profile="test", database_url=url)
        self.assembly: Assembly = assemble(service, settings, clock=clock, randomness=seeded_randomness(7))
        self.assembly.migrate()
        metadata.create_all(self.assembly.database.engine)
        self.app: Flask = create_app(self.assembly, limits=limits)
        self.signer = Signer(clock)
        with self.assembly.begin() as work:
            remember_key(work, KID, self.signer.public)

    def headers(self, key: str = "", **claims: Any) -> dict[str, str]:
        """Request headers of a signed-in caller, with an idempotency key where one is given."""
        found = {"Authorization": f"Bearer {self.signer.token(**claims)}"} if claims else {}
        return {**found, "Idempotency-Key": key} if key else found

    def texts(self) -> list[str]:
        """The notes stored."""
        with self.assembly.reading() as look:
            return [row.text for row in look.all(sa.select(notes.c.text).order_by(notes.c.id))]


@contextmanager
def toy_on(url: str, root: Path, *, clock: Clock | None = None, limits: RateLimits | None = None) -> Iterator[Toy]:
    """A toy for the length of a block."""
    toy = Toy(root, url, clock=clock or ManualClock(START), limits=limits)
    try:
        yield toy
    finally:
        toy.assembly.close()


class Signer:
    """Signs tokens as membership does."""

    def __init__(self, clock: Clock, seed: int = 11) -> None:
        self.clock = clock
        self.private = new_signing_key(Identifiers(clock, seeded_randomness(seed)))
        self.public = public_jwk(self.private, KID)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Valid claims of a secretariat's person; `changes` replace, None removes."""
        now = int(self.clock.now().timestamp())
        merged = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "account-1",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "jti": "token-1",
            "kind": "person",
            "roles": ["secretariat"],
            **changes,
        }
        return {name: value for name, value in merged.items() if value is not None}

    def token(self, *, kid: str = KID, **changes: Any) -> str:
        """A token over these claims."""
        return sign(self.claims(**changes), self.private, kid)
