"""The charter for everybody: each article in short words of our own, with the values in force and what the text leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from services.console.articles import articles_of
from services.console.rulebook import charter_in_force, charter_version, charter_versions
from services.console.showing import page

blueprint = Blueprint("charter", __name__)

#: The chapters, by their first article.
CHAPTERS = (1, 3, 6, 9, 15, 18, 19)


@blueprint.get("/charter")
def charter() -> Response:
    """The charter in force."""
    return _charter_page(charter_in_force())


@blueprint.get("/charter/versions/<int:version>")
def charter_of_version(version: int) -> Response:
    """One version: results cite the one that they rest on."""
    return _charter_page(charter_version(version))


def _charter_page(shown: Mapping[str, Any] | None) -> Response:
    articles = articles_of(shown)
    versions = charter_versions()
    return page(
        "charter.html",
        charter=shown,
        articles=articles,
        chapters=CHAPTERS,
        silent=[article for article in articles if article.open_points],
        open_points=sum(article.open_points for article in articles),
        versions=versions,
        standing=next((each for each in versions if shown and each["version"] == shown["version"]), None),
    )
