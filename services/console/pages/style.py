"""The living style page: every component with made-up content, for whoever builds pages and for those who look at them."""

from __future__ import annotations

from flask import Blueprint, Response

from services.console.showing import page

blueprint = Blueprint("style", __name__)


@blueprint.get("/style")
def style() -> Response:
    """All components on one page."""
    return page("style.html")
