"""The page at `/` of the embedded server: what this is, the story, the roster, sign-ins, the way to the APIs.

Rendered here, without scripts and without anything from elsewhere; it changes nothing and takes no input but the
language.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from flask import Flask, Response, jsonify, render_template, request

from deploy.embedded.showcase import Showcase
from deploy.embedded.wording import article_label
from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES, Texts

FOLDER = Path(__file__).parent
SERVICES = ("membership", "meetings", "finance", "notifications")
#: Only our own style sheet; nothing else is loaded, sent or embedded.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: China keeps one time zone and no summer time.
CHINA = timezone(timedelta(hours=8))


def landing_app(showcase: Showcase, texts: Texts, is_alive: Callable[[], bool]) -> Flask:
    """The WSGI application for everything that is no service's."""
    app = Flask(__name__, static_folder=None, template_folder=str(FOLDER / "templates"))
    style = (FOLDER / "static" / "page.css").read_bytes()

    @app.get("/")
    def page() -> str:
        language = request.args.get("lang", DEFAULT_LANGUAGE)
        if language not in LANGUAGES:
            language = DEFAULT_LANGUAGE
        return render_template(
            "page.html",
            view=showcase.view(language),
            sign_ins=showcase.sign_ins,
            services=SERVICES,
            language=language,
            say=lambda code, **params: texts.render(code, language, **params),
            article=lambda article: article_label(texts, language, article),
            clock_time=clock_time,
        )

    @app.get("/page.css")
    def css() -> Response:
        return Response(style, content_type="text/css; charset=utf-8")

    @app.get("/health/live")
    @app.get("/health/ready")
    def health() -> tuple[Response, int]:
        alive = is_alive()
        return jsonify({"status": "ready" if alive else "not ready"}), 200 if alive else 503

    @app.errorhandler(404)
    def not_found(_error: Exception) -> tuple[Response, int]:
        answer = jsonify({"type": "about:blank", "title": "Not Found", "status": 404, "code": "http.not_found"})
        answer.content_type = "application/problem+json"
        return answer, 404

    @app.after_request
    def close(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return app


def clock_time(text: str) -> str:
    """An RFC 3339 instant as the time of day in China, to the millisecond."""
    instant = datetime.fromisoformat(text).astimezone(CHINA)
    return f"{instant:%H:%M:%S}.{instant.microsecond // 1000:03d}"
