"""The charter for everybody: each article in short words of our own, with the values in force and what the text leaves open."""

from __future__ import annotations

from flask import Blueprint, Response

from services.console.articles import articles_of
from services.console.rulebook import charter_in_force
from services.console.showing import page

blueprint = Blueprint("charter", __name__)

#: The chapters, by their first article.
CHAPTERS = (1, 3, 6, 9, 15, 18, 19)


@blueprint.get("/charter")
def charter() -> Response:
    """The charter."""
    in_force = charter_in_force()
    articles = articles_of(in_force)
    return page(
        "charter.html",
        charter=in_force,
        articles=articles,
        chapters=CHAPTERS,
        silent=[article for article in articles if article.open_points],
        open_points=sum(article.open_points for article in articles),
    )
