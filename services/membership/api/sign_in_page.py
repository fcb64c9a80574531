"""The sign-in page: membership's own, for people who come from an application and go back with a code (RFC 6749, 4.1).

Works without JavaScript. The application never sees the password. What it must not do: send anybody to an address that
no application has registered.
"""

from __future__ import annotations

import hmac
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

import marshmallow as ma
from flask import Response, g, make_response, render_template, request
from flask.views import MethodView
from werkzeug.datastructures import LanguageAccept

from services.membership.api.accounts import password_checked
from services.membership.commands.authorization_codes import issue_code
from services.membership.domain.accounts import USERNAME_LENGTH_MAX, normalise_username
from services.membership.domain.authorization import AuthorizationRefused, AuthorizationRequest, read_request
from services.membership.domain.demo_sign_ins import choose_demo_accounts
from services.membership.queries.accounts import list_demo_accounts
from services.membership.schemas.accounts import SignInForm
from shared.errors import Invalid, Refusal, TooMany, Unauthenticated, Unavailable
from shared.runtime.texts import LANGUAGES
from shared.web.access import access
from shared.web.blueprint import FORM, Blueprint
from shared.web.context import assembly, language, reading
from shared.web.json_bodies import shown
from shared.web.problems import status_of
from shared.web.rate_limits import rate_limited
from shared.web.validation import faults_of

authorization = Blueprint(
    "authorization", __name__, url_prefix="/oauth", description="Where people sign in to applications"
)

#: Carries what the hidden field `token` must repeat. The prefix makes browsers refuse it from anybody but this very host.
COOKIE = "__Host-sign-in"
_TOKEN = re.compile(r"[0-9a-f]{64}")

_PARAMETERS = [
    {"in": "query", "name": name, "required": needed, "schema": {"type": "string"}, "description": what}
    for name, needed, what in (
        ("response_type", True, "`code`"),
        ("client_id", True, "the application"),
        ("redirect_uri", True, "exactly as registered"),
        ("code_challenge", True, "BASE64URL(SHA-256(code_verifier)), 43 characters (RFC 7636)"),
        ("code_challenge_method", True, "`S256`"),
        ("state", False, "comes back as it is"),
        ("scope", False, "`account`, all there is; others are ignored"),
        ("prompt", False, "`login`: the page always asks; `none` is answered with login_required"),
        ("login_hint", False, "a user name to begin with"),
        ("ui_locales", False, "`zh-CN` or `en`; otherwise Accept-Language"),
    )
]
_PAGE = {"content": {"text/html": {"schema": {"type": "string"}}}}
_ANSWERS = {
    "200": {"description": "The sign-in page", **_PAGE},
    "303": {"description": "Back to the application, with `code` or `error`, `state` and `iss` (RFC 9207)"},
    "400": {"description": "A page: unknown application or address; nobody is sent anywhere", **_PAGE},
}
_SENT = {
    "required": True,
    "content": {
        FORM: {
            "schema": {
                "type": "object",
                "required": ["username", "password", "token"],
                "properties": {name: {"type": "string"} for name in ("username", "password", "token")},
            }
        }
    },
}


@authorization.route("/authorize")
class Authorization(MethodView):
    @access(public=True, any_query=True)
    @authorization.doc(parameters=_PARAMETERS, responses=_ANSWERS)
    def get(self) -> Response:
        """The page on which a person signs in to an application."""
        asked = _asked()
        if isinstance(asked, Response):
            return asked
        return _page(asked, username=request.args.get("login_hint", ""))

    @access(public=True, any_query=True)
    @authorization.doc(
        parameters=_PARAMETERS,
        requestBody=_SENT,
        responses={**_ANSWERS, "401": {"description": "The page again: wrong user name or password", **_PAGE}},
    )
    def post(self) -> Response:
        """What the page sends; the answer leads back to the application."""
        asked = _asked()
        if isinstance(asked, Response):
            return asked
        if not _comes_from_our_page():
            return _page(asked, status=403, alert="sign_in.start_again")
        typed = shown(request.form.get("username", ""), USERNAME_LENGTH_MAX)
        try:
            return _send_back(asked.redirect_uri, asked.state, code=_sign_in(asked))
        except (Invalid, Unauthenticated, TooMany, Unavailable) as refusal:
            return _page_again(asked, refusal, username=typed)


@rate_limited("sign-in", per_minute=300, by="address")
def _sign_in(asked: AuthorizationRequest) -> str:
    """The code for whoever gave the right name and password."""
    try:
        sent = SignInForm().load(request.form.to_dict())
    except ma.ValidationError as error:
        raise Invalid.of(faults_of(error.messages)) from error
    with password_checked(normalise_username(sent["username"]), sent["password"]) as (work, account):
        return issue_code(work, asked, account_id=account.account_id)


def _asked() -> AuthorizationRequest | Response:
    """What the application asks for, or the answer to a request that cannot be taken up."""
    try:
        return read_request(request.args.to_dict(flat=False), assembly().settings.public_url)
    except Invalid as fault:
        g.problem_code = fault.code
        tongue = _tongue()
        alert = assembly().texts.render(fault.code, tongue)
        return _as_page(render_template("sign_in_impossible.html", **_words(tongue), alert=alert), 400, tongue)
    except AuthorizationRefused as refused:
        g.problem_code = refused.error
        return _send_back(
            refused.redirect_uri, refused.state, error=refused.error, error_description=refused.description
        )


def _comes_from_our_page() -> bool:
    """Whether the form was sent by the page we gave to this very browser.

    Otherwise a stranger's page could sign somebody in under the stranger's account, and look at what they write there.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    ours = {request.host, urlsplit(assembly().settings.public_url).netloc}
    if origin is not None and urlsplit(origin).netloc not in ours:
        return False
    # "none": the person did it themselves, say by loading the page again; browsers then name the origin.
    if site not in (None, "same-origin") and not (site == "none" and origin is not None):
        return False
    cookie = request.cookies.get(COOKIE, "")
    if request.mimetype != FORM or _TOKEN.fullmatch(cookie) is None or len(request.form.getlist("token")) != 1:
        return False
    return hmac.compare_digest(cookie.encode(), request.form["token"].encode("utf-8", "surrogatepass"))


def _send_back(redirect_uri: str, state: str | None, **told: str) -> Response:
    if state is not None:
        told["state"] = state
    # RFC 9207: an application of several houses must be able to tell whose answer this is.
    told["iss"] = assembly().settings.issuer
    joint = "&" if urlsplit(redirect_uri).query else "?"
    # 303: the application's page is fetched, the password is not posted on.
    return Response(status=303, headers={"Location": f"{redirect_uri}{joint}{urlencode(told)}"})


def _page_again(asked: AuthorizationRequest, refusal: Refusal, *, username: str) -> Response:
    """The page with what went wrong, and what was typed except the password."""
    faults = {each.field: (each.code, each.params) for each in refusal.faults}
    if refusal.field is not None:
        faults[refusal.field] = (refusal.code, refusal.params)
    response = _page(
        asked,
        status=status_of(refusal),
        username=username,
        alert=None if faults else refusal.code,
        params=refusal.params,
        faults=faults,
    )
    if refusal.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(refusal.retry_after_seconds)
    return response


def _page(
    asked: AuthorizationRequest,
    *,
    status: int = 200,
    username: str = "",
    alert: str | None = None,
    params: Any = None,
    faults: Any = None,
) -> Response:
    tongue, texts = _tongue(), assembly().texts
    known = request.cookies.get(COOKIE, "")
    token = known if _TOKEN.fullmatch(known) else assembly().ids.secret()
    html = render_template(
        "sign_in.html",
        **_words(tongue),
        **_demo(tongue),
        other_language=_other_language(tongue),
        token=token,
        username=shown(username, USERNAME_LENGTH_MAX) if len(username) <= USERNAME_LENGTH_MAX else "",
        alert=texts.render(alert, tongue, **(params or {})) if alert else None,
        faults={field: texts.render(code, tongue, **given) for field, (code, given) in (faults or {}).items()},
    )
    response = _as_page(html, status, tongue, leads_to=asked.redirect_uri)
    if alert or faults:
        g.problem_code = alert or "input.invalid"
    if token != known:
        response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="Lax")
    return response


def _as_page(html: str, status: int, tongue: str, *, leads_to: str | None = None) -> Response:
    response = make_response(html, status)
    # Chrome holds the redirect that answers a form against form-action too, so the way back must be allowed.
    forms = "'none'" if leads_to is None else f"'self' {'{0.scheme}://{0.netloc}'.format(urlsplit(leads_to))}"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; img-src 'self'; form-action {forms}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    response.headers["Cache-Control"] = "no-store"
    # Not "no-referrer": under that, browsers hide the origin of a form from its own house (Origin: null).
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Content-Language"] = tongue
    response.vary.add("Accept-Language")
    return response


def _words(tongue: str) -> dict[str, Any]:
    texts = assembly().texts
    return {"lang": tongue, "t": lambda code, **params: texts.render(code, tongue, **params)}


def _demo(tongue: str) -> dict[str, Any]:
    """The sign-ins of a demo, and nothing anywhere else."""
    settings, texts = assembly().settings, assembly().texts
    if settings.profile != "demo" or not settings.demo_password:
        return {"demo": (), "demo_password": ""}
    with reading() as look:
        chosen = choose_demo_accounts(list_demo_accounts(look))
    between = texts.render("sign_in.between_roles", tongue)
    people = [
        {
            "username": each.username,
            "person_name": each.person_name,
            "unit_name": each.unit_name,
            "roles": between.join(texts.render(role, tongue) for role in each.shown_roles),
        }
        for each in chosen
    ]
    return {"demo": people, "demo_password": settings.demo_password}


def _other_language(tongue: str) -> dict[str, str]:
    """The same page in the other language: the application's request as it came, but for the language."""
    tag = next(each for each in LANGUAGES if each != tongue)
    address = f"{request.path}?{urlencode({**request.args.to_dict(), 'ui_locales': tag})}"
    return {"tag": tag, "address": address, "name": assembly().texts.render(f"language.{tag}", tag)}


def _tongue() -> str:
    """The language of the page: what the application asks for, else the browser's."""
    wanted = request.args.get("ui_locales", "").split()
    if not wanted:
        return language()
    accepted = LanguageAccept([(tag, 1 - position / 100) for position, tag in enumerate(wanted[:10])])
    return accepted.best_match(LANGUAGES) or language()
