"""How a page is made: the template, and what every template needs. Nothing is asked of the APIs here."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Response, g, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from services.console.apis import Away, Refused
from services.console.browser import browser
from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES
from shared.web.context import assembly


def language() -> str:
    """The language of the page."""
    here = g.get("browser")
    return here.language if here is not None else DEFAULT_LANGUAGE


def say(code: str, /, **params: object) -> str:
    """A text of the catalogue in the page's language."""
    return assembly().texts.render(code, language(), **params)


def has_text(code: str) -> bool:
    """Whether the catalogue has the code: for names that come from elsewhere."""
    return assembly().texts.has(code)


def render(template: str, /, **content: Any) -> str:
    """A whole page."""
    here = browser()
    said = request.args.get("said", "")
    return render_template(
        template,
        here=here,
        person=here.person,
        language=here.language,
        languages=LANGUAGES,
        profile=assembly().settings.profile,
        has_text=has_text,
        said=f"said.{said}" if said and has_text(f"said.{said}") else "",
        **content,
    )


def page(template: str, /, status: int = 200, **content: Any) -> Response:
    """The answer with a page; `problem` in the content is what was refused or away at the last try."""
    problem = content.get("problem")
    if isinstance(problem, Refused):
        status = problem.status
    elif isinstance(problem, Away):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    return Response(render(template, **content), status=status, content_type="text/html; charset=utf-8")


def go(address: str, said: str = "", **query: str) -> AnyResponse:
    """On to another page after a change, which may say that it was done: `said.<said>` of the catalogue."""
    arguments = {**query, **({"said": said} if said else {})}
    if arguments:
        address += ("&" if "?" in address else "?") + urlencode(arguments)
    return redirect(address, HTTPStatus.SEE_OTHER)


def inside(address: str) -> str:
    """An address to go on to, as somebody gave it: only one of this site, otherwise the home page."""
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if ours and "\\" not in address else "/"


def new_key() -> str:
    """An idempotency key for a form: sent twice, done once."""
    return assembly().ids.new_id()


def typed_key() -> str:
    """The form's idempotency key as it came, or a new one where none did."""
    given = request.form.get("key", "")
    return given if 8 <= len(given) <= 64 and given.isascii() and given.isprintable() else new_key()
