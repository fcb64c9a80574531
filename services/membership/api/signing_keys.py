"""Signing keys over HTTP and at the console: rotating them, and publishing the public halves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response, jsonify
from flask.views import MethodView

from services.membership.commands.signing_keys import rotate_keys
from services.membership.queries.signing_keys import get_key_set
from services.membership.schemas.accounts import KeySetView, RotationView
from shared.errors import Refusal
from shared.runtime.assembly import Assembly
from shared.runtime.clock import rfc3339
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import assembly, current_work, reading
from shared.web.idempotency import idempotent

signing_keys = Blueprint("signing-keys", __name__, url_prefix="/signing-keys", description="Keys that sign the tokens")
well_known = Blueprint(
    "well-known", __name__, url_prefix="/.well-known", description="Public keys (JWKS)", versioned=False
)

#: How long others may keep the key set: less than the lead time of a new key, so that nobody meets a strange one.
KEY_SET_AGE_SECONDS_MAX = 120


@signing_keys.route("")
class SigningKeys(MethodView):
    @access(roles={"operator"})
    @idempotent
    @signing_keys.response(201, RotationView)
    def post(self) -> dict[str, Any]:
        """Make and announce the next key; it signs after the lead time."""
        return rotate_keys(current_work(), master_secret=assembly().settings.secret_or_demo())


@well_known.route("/jwks.json")
class KeySet(MethodView):
    @access(public=True)
    @well_known.response(200, KeySetView, content_type="application/jwk-set+json")
    def get(self) -> Response:
        """The public keys whose tokens may be met now or soon (RFC 7517)."""
        with reading() as look:
            response = jsonify(get_key_set(look))
        response.mimetype = "application/jwk-set+json"
        response.headers["Cache-Control"] = f"public, max-age={KEY_SET_AGE_SECONDS_MAX}"
        return response


def rotate_keys_command(assembly: Assembly, arguments: Sequence[str]) -> int:
    """Console command `rotate-keys`: the same as `POST /signing-keys`, for an operator without a sign-in."""
    if arguments:
        print("rotate-keys takes no arguments")  # noqa: T201 - a console command speaks to its terminal
        return 2
    try:
        with assembly.begin() as work:
            made = rotate_keys(work, master_secret=assembly.settings.secret_or_demo())
    except Refusal as refusal:
        print(assembly.texts.render(refusal.code, "zh-CN", **refusal.params))  # noqa: T201 - see above
        return 1
    print(f"{made['kid']} {rfc3339(made['signs_from'])}")  # noqa: T201 - see above
    return 0
