"""The OpenAPI document of a service and the page to try it out.

Everything is served from here: the page needs no other host, and its content security policy allows none.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from typing import Any

import flask
import flask_smorest
from apispec import APISpec
from flask import Flask, Response
from markupsafe import escape
from swagger_ui_bundle import swagger_ui_path

from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES
from shared.web.problems import MEDIA_TYPE, Problem

OPENAPI_VERSION = "3.1.0"
#: The files of Swagger UI that the page needs, with their media types; nothing else of the package is served.
_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
#: Swagger UI writes style attributes and data: images by itself; scripts come from here only.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "docs/openapi-3.0.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
  });
});
"""


class Api(flask_smorest.Api):
    """flask-smorest's collector of routes, with our problem documents instead of its own errors."""

    ERROR_SCHEMA = Problem

    def _register_error_handlers(self) -> None:
        """Leave errors to `shared.web.problems`."""

    def _register_pagination_header(self) -> None:
        """Leave out flask-smorest's pages: ours go by cursor, in the body."""

    def _register_responses(self) -> None:
        self.DEFAULT_RESPONSE_CONTENT_TYPE = MEDIA_TYPE
        super()._register_responses()
        self.DEFAULT_RESPONSE_CONTENT_TYPE = flask_smorest.Api.DEFAULT_RESPONSE_CONTENT_TYPE


def make_api(app: Flask, title: str, description: str) -> Api:
    """Collects the routes of `app` into one OpenAPI document."""
    app.config.update(API_TITLE=title, API_VERSION="v1", OPENAPI_VERSION=OPENAPI_VERSION, OPENAPI_URL_PREFIX=None)
    options = {"info": {"description": description}, "servers": [{"url": "/"}]}
    api = Api(app, spec_kwargs=options)
    _add_components(api.spec)
    return api


def _add_components(spec: APISpec) -> None:
    components = spec.components
    components.security_scheme(
        "bearer",
        {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "access token of membership: sign-in for people, client credentials for platforms",
        },
    )
    components.parameter(
        "IDEMPOTENCY_KEY",
        "header",
        {
            "name": "Idempotency-Key",
            "required": True,
            "description": "1 to 255 visible ASCII characters, chosen by the client, new for every new wish. The same key "
            "with the same body gets the stored answer again (`Idempotency-Replayed: true`) for 24 hours.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        },
    )
    components.parameter(
        "ACCEPT_LANGUAGE",
        "header",
        {
            "name": "Accept-Language",
            "description": f"language of texts: {' or '.join(LANGUAGES)}",
            "schema": {"type": "string", "default": DEFAULT_LANGUAGE},
        },
    )


def serve_documents(app: Flask, api: Api, prefix: str) -> None:
    """Mount `<prefix>/openapi.json` and `<prefix>/docs`. Built at the first request, then kept."""

    @cache
    def document() -> dict[str, Any]:
        found: dict[str, Any] = api.spec.to_dict()
        return found

    @cache
    def current() -> bytes:
        return json.dumps(document(), ensure_ascii=False, indent=1).encode()

    @cache
    def for_page() -> bytes:
        return json.dumps(as_openapi_3_0(document()), ensure_ascii=False).encode()

    def openapi() -> Response:
        return Response(current(), mimetype="application/json")

    def page() -> Response:
        return _with_page_policy(Response(_PAGE.format(title=escape(api.spec.title)), mimetype="text/html"))

    def asset(name: str) -> Response:
        if name == "start.js":
            return Response(_START, mimetype="text/javascript")
        if name == "openapi-3.0.json":
            return Response(for_page(), mimetype="application/json")
        if name not in _ASSETS:
            flask.abort(404)
        response = Response((swagger_ui_path / name).read_bytes(), mimetype=_ASSETS[name])
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response

    app.add_url_rule(f"{prefix}/openapi.json", "openapi", openapi)
    app.add_url_rule(f"{prefix}/docs", "docs", page)
    app.add_url_rule(f"{prefix}/docs/<string:name>", "docs_asset", asset)


def _with_page_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


def as_openapi_3_0(document: dict[str, Any]) -> dict[str, Any]:
    """The same document for the page: the packaged Swagger UI reads OpenAPI 3.0 only.

    3.1 writes two things otherwise that we use: what may be null, and bounds that are not included themselves.
    """
    older = deepcopy(document)
    older["openapi"] = "3.0.3"
    waiting: list[Any] = [older]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            _write_null_as_3_0(current)
            _write_bounds_as_3_0(current)
            waiting += current.values()
        elif isinstance(current, list):
            waiting += current
    return older


def _write_null_as_3_0(schema: dict[str, Any]) -> None:
    kinds = schema.get("type")
    if isinstance(kinds, list):
        named = [kind for kind in kinds if kind != "null"]
        schema["type"] = named[0] if named else "string"
        schema["nullable"] = "null" in kinds
    choices = schema.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        schema["anyOf"] = [choice for choice in choices if choice != {"type": "null"}]
        schema["nullable"] = True
    values = schema.get("enum")
    if isinstance(values, list) and None in values:
        schema["nullable"] = True


def _write_bounds_as_3_0(schema: dict[str, Any]) -> None:
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        value = schema.get(exclusive)
        if isinstance(value, int | float) and not isinstance(value, bool):
            schema[bound], schema[exclusive] = value, True
