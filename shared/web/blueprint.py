"""The blueprint that services declare their routes with: flask-smorest's, reading bodies strictly.

`url_prefix` is the path below `/api/<service>/v1`; `versioned=False` mounts it below `/api/<service>` for documents
whose address is fixed elsewhere (`/.well-known/…`). It decides nothing about who may call: `@access` does.
"""

from __future__ import annotations

from typing import Any, NoReturn

import flask_smorest
import marshmallow as ma
from flask import Request
from typing_extensions import override
from webargs.core import missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from shared.errors import Invalid
from shared.web.json_bodies import parse_json
from shared.web.validation import faults_of

FORM = "application/x-www-form-urlencoded"


class StrictParser(FlaskParser):
    """Reads bodies strictly and speaks in refusals."""

    # Two schemas may share a query (filters and a cursor), so neither may refuse the other's names;
    # `@access` refuses what no schema of the route knows.
    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 - declared so by webargs
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": ma.EXCLUDE,
        "querystring": ma.EXCLUDE,
    }

    @override
    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """The body's JSON value; nothing where there is no body, so that the schema names what is missing."""
        raw = req.get_data()
        if not raw and not req.mimetype:
            return missing
        _ensure_media_type(req, "application/json")
        return parse_json(raw) if raw else missing

    @override
    def load_form(self, req: Request, schema: ma.Schema) -> Any:
        """The body's form fields."""
        if req.get_data() or req.mimetype:
            _ensure_media_type(req, FORM)
        return super().load_form(req, schema)

    @override
    def handle_error(self, error: ma.ValidationError, req: Request, schema: ma.Schema, **_unused: Any) -> NoReturn:
        """Every fault of the form at once."""
        # The outermost level is webargs' own: the location ("json", "query").
        messages = error.messages if isinstance(error.messages, dict) else {"": error.messages}
        raise Invalid.of([fault for inner in messages.values() for fault in faults_of(inner)]) from error


def _ensure_media_type(req: Request, wanted: str) -> None:
    charset = req.mimetype_params.get("charset", "utf-8").lower()
    if req.mimetype != wanted or charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType


class Blueprint(flask_smorest.Blueprint):
    """A set of routes of one subject."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(
        self, name: str, import_name: str, *, url_prefix: str, description: str = "", versioned: bool = True
    ) -> None:
        super().__init__(name, import_name, url_prefix=url_prefix, description=description)
        self.versioned = versioned
