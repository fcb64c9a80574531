"""The console as a web application: pages, cookies, forms, and what is shown when something is refused or away.

Every page leaves here with the same rules for browsers. Nothing is decided; nothing of the alliance is stored.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from flask import Flask, Response, g, redirect, render_template, request
from werkzeug.exceptions import HTTPException

from services.console import browser, wording
from services.console.apis import Away, Line, Refused
from services.console.pages import BLUEPRINTS
from services.console.rulebook import word
from services.console.showing import language, render, say
from services.console.spans import span, time_left
from shared.runtime.assembly import Assembly
from shared.runtime.citing import article_label
from shared.runtime.logging import get_logger
from shared.web.app_factory import bare_app
from shared.web.context import assembly
from shared.web.pages import PAGE_POLICY, mount_static

SCRIPTS = Path(__file__).parent / "static"
#: Fields of a form that are not shown again: secrets, and what the next page makes anew.
NOT_SHOWN_AGAIN = {"form_token", "password", "password_again", "setup_code"}
#: Texts shown again at most, in characters; the longest form has half of it.
SHOWN_AGAIN_LENGTH_MAX = 100_000

log = get_logger(__name__)


def create_console(house: Assembly, transport: httpx.BaseTransport | None = None) -> Flask:
    """The console. `transport` reaches the APIs of an alliance in one process; without it they are asked over HTTP."""
    app = bare_app(house)
    line = Line(house.settings.api_url or house.settings.public_url, house.clock, transport)
    house.closing.append(line.close)
    app.extensions[browser.EXTENSION] = line
    mount_static(app, "/static")
    mount_static(app, "/script", SCRIPTS, endpoint="script_file")
    app.before_request(browser.open_browser)
    app.after_request(_close_page)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    _register_failures(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        moment=wording.moment, day=wording.day, second=wording.second, money=wording.money,
        thousands=wording.thousands, article=lambda text: article_label(assembly().texts, language(), text),
    )  # fmt: skip
    app.jinja_env.globals.update(say=say, word=word, span=span, time_left=time_left, browser=lambda: g.get("browser"))
    return app


def _close_page(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    here: browser.Browser | None = g.get("browser")
    if here is not None:
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("Vary", "Cookie, Accept-Language")
        here.set_cookies(response)
    return response


# ------------------------------------------------------------ when something does not work out
def _register_failures(app: Flask) -> None:
    app.register_error_handler(
        Away, lambda away: _failure(HTTPStatus.SERVICE_UNAVAILABLE, "away", service=away.service)
    )
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(browser.SignInNeeded, _sign_in_needed)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _fault)


def _refused(refused: Refused) -> Any:
    if refused.code == "access.step_up_needed":
        return redirect(f"/sign-in?again=1&next={request.path}", HTTPStatus.SEE_OTHER)
    if refused.status == HTTPStatus.UNAUTHORIZED and g.browser.session is not None:
        return _sign_in_needed(browser.SignInNeeded(ended=True))
    return _failure(refused.status, "refused", refused=refused)


def _sign_in_needed(needed: browser.SignInNeeded) -> Any:
    if not needed.ended and request.method == "GET":
        return redirect(f"/sign-in?next={request.path}", HTTPStatus.SEE_OTHER)
    return _failure(HTTPStatus.UNAUTHORIZED, "ended")


def _http(error: HTTPException) -> Any:
    if error.response is not None:
        return error.response
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    what = error.description if error.description in ("form.refused", "page.not_yours") else f"status.{status}"
    answer = _failure(status, what or "status.500")
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        answer.headers["Allow"] = ", ".join(allowed)
    return answer


def _fault(error: Exception) -> Response:
    log.error("console.fault", error=repr(error), exc_info=error)
    return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "status.500")


def _failure(status: int, what: str, **params: Any) -> Response:
    """A page that says what is wrong and what to do; what was typed stands on it, and can be sent again from there."""
    here: browser.Browser | None = g.get("browser")
    if here is None:  # not a page: a style sheet, or a request refused before it was looked at
        return Response(f"{int(status)}\n", status=status, content_type="text/plain; charset=utf-8")
    # Only what our own page has sent is offered for sending again: nobody else can have their words confirmed here.
    ours = request.method == "POST" and request.headers.get("Sec-Fetch-Site", "") == "same-origin"
    typed = (
        [(name, value) for name, value in request.form.items(multi=True) if name not in NOT_SHOWN_AGAIN] if ours else []
    )
    if sum(len(value) for _, value in typed) > SHOWN_AGAIN_LENGTH_MAX:
        typed = []
    page = render("failure.html", what=what, status=int(status), typed=typed, request_id=g.request_id, **params)
    response = Response(page, status=status, content_type="text/html; charset=utf-8")
    refused = params.get("refused")
    if refused is not None and refused.retry_after:
        response.headers["Retry-After"] = refused.retry_after
    return response


__all__ = ["create_console", "render_template"]
