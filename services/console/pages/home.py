"""The home page: for visitors what the alliance is; for people what waits for them, what comes next, what just happened."""

from __future__ import annotations

from flask import Blueprint, Response

from services.console.browser import apis
from services.console.showing import page

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def home() -> Response:
    """Home."""
    return page("home.html", alliance=apis().part("membership", "alliance"))
