"""Builds the web application of a service: routes, gates, problems, documents, health, metrics, access log.

One call, one application; nothing is kept outside of it, so several services live in one process in embedded mode.
A mistake that would open a door (a view without `@access`, a foreign blueprint) stops the start.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import marshmallow as ma
import structlog
from flask import Flask, Response, g, request
from flask.views import MethodView
from flask_smorest.utils import resolve_schema_instance
from werkzeug.exceptions import NotFound, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.middleware.proxy_fix import ProxyFix

from shared.runtime.assembly import Assembly
from shared.runtime.health import Health
from shared.runtime.logging import get_logger
from shared.runtime.metrics import Metrics
from shared.security.keys import list_verification_keys
from shared.security.rate_limits import RateLimits
from shared.security.tokens import VerificationKey, Verifier
from shared.web import feed, operations, problems, rate_limits
from shared.web.access import gate_of
from shared.web.blueprint import Blueprint
from shared.web.context import EXTENSION, WebParts
from shared.web.documents import make_api, serve_documents
from shared.web.pages import mount_static

#: A longer part of a path is no id of ours.
PATH_PART_MAX = 200
#: A refused body is still read away up to this size, in bytes, so that the sender sees the answer and no reset.
DRAINED_BYTES_MAX = 16 * 1_048_576
_PIECE_BYTES = 65_536
#: What a browser may do with an answer of the API: nothing.
API_POLICY = "default-src 'none'; frame-ancestors 'none'"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_UNSTORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
#: Asked for every few seconds by machines; a line each would bury the rest.
_QUIET_ROUTES = {"/health", "/health/live", "/health/ready", "/metrics"}

log = get_logger("access")


def create_app(assembly: Assembly, *, limits: RateLimits | None = None) -> Flask:
    """The service's API as a WSGI application.

    Rate limits are on, except in the test profile, where a test that wants them passes its own.
    """
    app = bare_app(assembly)
    parts = _parts_of(app)
    if limits is None and assembly.settings.profile != "test":
        limits = RateLimits(assembly.clock)
    if limits is not None:
        app.extensions[rate_limits.EXTENSION] = limits
    problems.register(app)
    _mount_blueprints(app, assembly, parts)
    return app


def bare_app(assembly: Assembly) -> Flask:
    """What every web application of the house has, whatever it answers: limits of bodies, ids, log, health, metrics."""
    app = Flask(assembly.service.name, static_folder=None, template_folder=str(assembly.service.root / "templates"))
    app.config["MAX_CONTENT_LENGTH"] = assembly.settings.body_bytes_max
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # Flask's default provider has it
    app.json.sort_keys = False  # type: ignore[attr-defined]  # answers keep the order of their schemas
    parts = _make_parts(assembly)
    app.extensions[EXTENSION] = parts
    _mount_operations(app, parts)
    app.before_request(_open_request)
    app.after_request(_close_request)
    app.teardown_request(_unbind_log)
    if assembly.settings.trusted_proxies:
        count = assembly.settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]  # Flask's own way
    return app


def _parts_of(app: Flask) -> WebParts:
    found = app.extensions[EXTENSION]
    assert isinstance(found, WebParts)
    return found


def _make_parts(assembly: Assembly) -> WebParts:
    def load_keys() -> list[VerificationKey]:
        with assembly.reading() as reading:
            return list_verification_keys(reading)

    verifier = Verifier(issuer=assembly.settings.issuer, clock=assembly.clock, load_keys=load_keys)
    return WebParts(assembly=assembly, verifier=verifier, health=Health(assembly), metrics=Metrics(assembly))


def _mount_blueprints(app: Flask, assembly: Assembly, parts: WebParts) -> None:
    prefix = f"/api/{assembly.service.name}"
    api = make_api(app, assembly.service.title, f"Service `{assembly.service.name}` of the alliance platform Lianmeng.")
    for blueprint in (*assembly.service.blueprints, feed.blueprint, operations.blueprint):
        if not isinstance(blueprint, Blueprint):
            raise TypeError(
                f"blueprint {blueprint.name}: use shared.web.blueprint.Blueprint, which reads bodies strictly"
            )
        version = "/v1" if blueprint.versioned else ""
        api.register_blueprint(blueprint, url_prefix=f"{prefix}{version}{blueprint.url_prefix or ''}")
    _ensure_gates(app)
    parts.queries.update(_queries(app))
    serve_documents(app, api, prefix)
    if (assembly.service.root / "templates").is_dir():
        mount_static(app, f"{prefix}/static")


def _views(app: Flask) -> dict[tuple[str, str], Any]:
    """Every view of a blueprint by (endpoint, method)."""
    found: dict[tuple[str, str], Any] = {}
    for rule in app.url_map.iter_rules():
        if "." not in rule.endpoint:
            continue  # our own routes: documents, health
        view = app.view_functions[rule.endpoint]
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            view_class = getattr(view, "view_class", None)
            is_class = isinstance(view_class, type) and issubclass(view_class, MethodView)
            found[rule.endpoint, method] = getattr(view_class, method.lower()) if is_class else view
    return found


def _ensure_gates(app: Flask) -> None:
    open_doors = [f"{method} {endpoint}" for (endpoint, method), view in _views(app).items() if gate_of(view) is None]
    if open_doors:
        raise TypeError(f"@access must be the outermost decorator of: {', '.join(sorted(open_doors))}")


def _queries(app: Flask) -> dict[tuple[str, str], Mapping[str, bool]]:
    known: dict[tuple[str, str], Mapping[str, bool]] = {}
    for key, view in _views(app).items():
        names: dict[str, bool] = {}
        for parameter in getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", []):
            if isinstance(parameter, dict) and parameter.get("in") in ("query", "querystring"):
                schema = resolve_schema_instance(parameter["schema"])
                for name, each in schema.fields.items():
                    names[each.data_key or name] = isinstance(each, ma.fields.List)
        known[key] = names
        known[key[0], "HEAD"] = names if key[1] == "GET" else known.get((key[0], "HEAD"), {})
    return known


def _mount_operations(app: Flask, parts: WebParts) -> None:
    def answer(status: int, body: Mapping[str, Any]) -> Response:
        response = app.make_response(app.json.response(dict(body)))
        response.status_code = status
        return response

    app.add_url_rule("/health", "health", lambda: answer(*parts.health.summary()))
    app.add_url_rule("/health/live", "health_live", lambda: answer(*parts.health.live()))
    app.add_url_rule("/health/ready", "health_ready", lambda: answer(*parts.health.ready()))

    def metrics() -> Response:
        text, media_type = parts.metrics.render()
        return Response(text, content_type=media_type)

    app.add_url_rule("/metrics", "metrics", metrics)


def _open_request() -> None:
    parts = _parts_here()
    ids = parts.assembly.ids
    given = request.headers.get("X-Request-ID", "")
    g.started = parts.assembly.clock.monotonic()
    g.request_id = given if _REQUEST_ID.fullmatch(given) else ids.new_id()
    g.correlation_id = ids.new_id()
    trace = request.headers.get("traceparent", "")
    g.traceparent = trace if _TRACEPARENT.fullmatch(trace) else None
    g.log_tokens = structlog.contextvars.bind_contextvars(service=parts.assembly.service.name, request_id=g.request_id)
    _refuse_unreadable_body(parts.assembly.settings.body_bytes_max)
    for value in (request.view_args or {}).values():
        if isinstance(value, str) and (len(value) > PATH_PART_MAX or _UNSTORABLE.search(value)):
            raise NotFound


def _refuse_unreadable_body(bytes_max: int) -> None:
    if request.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        # Unpacking is where small requests become large; our forms need no compression.
        raise UnsupportedMediaType
    length = request.content_length
    if length is None and request.environ.get("wsgi.input_terminated"):
        _take_body_of_unknown_length(bytes_max)
    elif length is not None and length > bytes_max:
        _drain(length if length <= DRAINED_BYTES_MAX else 0)
        raise RequestEntityTooLarge


def _take_body_of_unknown_length(bytes_max: int) -> None:
    """Read a chunked body here: werkzeug would cut it off at the limit and call the rest its end."""
    taken = io.BytesIO()
    while taken.tell() <= bytes_max:
        piece = request.environ["wsgi.input"].read(min(_PIECE_BYTES, bytes_max + 1 - taken.tell()))
        if not piece:
            request.environ["wsgi.input"] = io.BytesIO(taken.getvalue())
            return
        taken.write(piece)
    _drain(DRAINED_BYTES_MAX)
    raise RequestEntityTooLarge


def _drain(remaining: int) -> None:
    while remaining > 0:
        piece = request.environ["wsgi.input"].read(min(_PIECE_BYTES, remaining))
        if not piece:
            return
        remaining -= len(piece)


def _close_request(response: Response) -> Response:
    parts = _parts_here()
    seconds = parts.assembly.clock.monotonic() - g.get("started", parts.assembly.clock.monotonic())
    route = request.url_rule.rule if request.url_rule is not None else "(none)"
    headers = response.headers
    headers["X-Request-ID"] = g.get("request_id", "")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Content-Security-Policy", API_POLICY)
    headers.setdefault("Referrer-Policy", "no-referrer")
    parts.metrics.observe_request(request.method, route, response.status_code, seconds)
    if route not in _QUIET_ROUTES:
        caller = g.get("caller")
        # The route, not the path: paths hold ids, and queries may hold what people searched for.
        log.info(
            "http.request",
            method=request.method,
            route=route,
            status=response.status_code,
            ms=round(seconds * 1000, 1),
            caller=caller.subject if caller is not None else None,
            code=g.get("problem_code"),
            correlation_id=g.get("correlation_id"),
        )
    return response


def _unbind_log(_error: BaseException | None) -> None:
    tokens = g.pop("log_tokens", None)
    if tokens:
        structlog.contextvars.reset_contextvars(**tokens)


def _parts_here() -> WebParts:
    from shared.web.context import parts  # noqa: PLC0415 - the local name `parts` is the natural one everywhere above

    return parts()
