"""Signing in and out: authorization code with PKCE (RFC 6749, 4.1; RFC 7636) towards membership. No password comes here."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from services.console.apis import Refused
from services.console.browser import CLIENT_ID, LANGUAGE_COOKIE, LANGUAGE_SECONDS, apis, browser
from services.console.showing import go, inside, page
from shared.runtime.texts import LANGUAGES
from shared.web.context import assembly

blueprint = Blueprint("signing", __name__)

#: Under which the visitor keeps what belongs to a sign-in on its way.
DRAFT = "sign-in"


@blueprint.get("/sign-in")
def sign_in() -> Response:
    """On to membership's sign-in page. `again`: the password is asked for although somebody is signed in."""
    here, ids = browser(), assembly().ids
    state, verifier = ids.secret(), ids.secret()
    here.keep_draft(DRAFT, {"state": state, "verifier": verifier, "next": inside(request.args.get("next", "/"))})
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": _way_back(),
        "state": state,
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
        "ui_locales": here.language,
    }
    if request.args.get("again") and here.person is not None:
        query |= {"prompt": "login", "login_hint": here.person.username}
    address = f"{assembly().settings.public_url}/api/membership/v1/oauth/authorize"
    return redirect(f"{address}?{urlencode(query)}", 303)


@blueprint.get("/sign-in/back")
def back() -> Response:
    """Back from membership with a code, which becomes a session."""
    here = browser()
    begun = here.draft(DRAFT)
    if not begun or not hmac.compare_digest(begun["state"].encode(), request.args.get("state", "").encode()):
        return page("sign-in-failed.html", 400, reason="state")
    here.drop_draft(DRAFT)
    if "code" not in request.args:
        return page("sign-in-failed.html", 400, reason="refused")
    form = {
        "grant_type": "authorization_code",
        "code": request.args["code"],
        "redirect_uri": _way_back(),
        "client_id": CLIENT_ID,
        "code_verifier": begun["verifier"],
    }
    answer = apis().line.send("membership", "POST", "/api/membership/v1/oauth/token", data=form)
    if not answer.is_success:
        return page("sign-in-failed.html", 400, reason="code")
    try:
        here.sign_in(answer.json())
    except Refused:
        return page("sign-in-failed.html", 400, reason="refused")
    return go(begun["next"])


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End this session."""
    browser().sign_out()
    return go("/", "signed_out")


@blueprint.post("/sign-out/everywhere")
def sign_out_everywhere() -> Response:
    """End every session of this person."""
    browser().sign_out(everywhere=True)
    return go("/", "signed_out_everywhere")


@blueprint.post("/language")
def choose_language() -> Response:
    """Show the pages in another language from now on."""
    response = go(inside(request.form.get("next", "/")))
    wanted = request.form.get("language", "")
    if wanted in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, wanted, max_age=LANGUAGE_SECONDS, path="/", samesite="Lax")
    return response


def _way_back() -> str:
    return f"{assembly().settings.public_url}/sign-in/back"


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
