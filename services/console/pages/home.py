"""The home page: for visitors what the alliance is; for people what waits for them, what comes next, what just happened.

It gathers from all four services and does without those that are away. What waits for whom is the APIs' answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response

from services.console.apis import SERVICES, Refused
from services.console.browser import Person, apis, browser
from services.console.pages.notices import links_of
from services.console.rulebook import charter_in_force, names
from services.console.showing import page

blueprint = Blueprint("home", __name__)

#: Lines of a list here; each list has a page of its own.
LINES = 6
#: Open ballots looked at for a vote that waits, and unread notices counted: the APIs' largest page.
LOOKED_AT = 100


@dataclass(frozen=True)
class Counted:
    """How many there are, as far as they were counted."""

    count: int
    more: bool


@blueprint.get("/")
def home() -> Response:
    """Home."""
    alliance, is_founded = _alliance()
    who = browser().person
    if who is None:
        charter = charter_in_force()
        kinds = [each for each in (charter or {}).get("member_kinds", ()) if each["applies"]]
        return page("home.html", alliance=alliance, is_founded=is_founded, kinds=kinds, names=names(charter))
    ballots = _open_ballots()
    notices = apis().part("notifications", "inbox", limit=LINES)
    happened = notices["items"] if notices else []
    return page(
        "home.html",
        alliance=alliance,
        is_founded=is_founded,
        to_vote=[each for each in ballots or () if _waits(each)],
        later=None if ballots is None else [each for each in ballots if not _waits(each)],
        applications=_to_check(who),
        parked=_parked(who),
        unread=_counted(apis().part("notifications", "inbox", unread="true", limit=LOOKED_AT)),
        notices=[{**each, "links": links_of(each, who)} for each in happened],
        decided=[] if happened else _decided(),
        lines=LINES,
    )


def _alliance() -> tuple[Mapping[str, Any] | None, bool]:
    """The alliance, and whether there is one: while membership is away nobody can say that there is none."""
    try:
        return apis().part("membership", "alliance"), True
    except Refused as refused:
        if refused.code != "alliance.not_founded":
            raise
        return None, False


def _open_ballots() -> list[dict[str, Any]] | None:
    """Open ballots, the next to close first."""
    found = apis().part("meetings", "ballots", state="open", limit=LOOKED_AT)
    return sorted(found["items"], key=lambda each: str(each["closes_at"])) if found else None


def _waits(ballot: Mapping[str, Any]) -> bool:
    """Whether the person's vote is awaited, as meetings says."""
    return bool(ballot["you"] and ballot["you"]["may_vote"])


def _decided() -> list[dict[str, Any]]:
    found = apis().part("meetings", "ballots", state="closed", limit=LINES)
    return sorted(found["items"], key=lambda each: str(each["ended_at"]), reverse=True) if found else []


def _to_check(who: Person) -> Mapping[str, Any] | None:
    """Applications that lie with the secretariat; None for everybody else."""
    if not who.has("secretariat"):
        return None
    found: Mapping[str, Any] | None = apis().part("membership", "applications", state="submitted", limit=LINES)
    return found


def _parked(who: Person) -> dict[str, Counted]:
    """Events that have not had their effect, by service, for operators; services without any are left out."""
    if not who.has("operator"):
        return {}
    counts = {service: _counted(apis().part(service, "operations/events", limit=LOOKED_AT)) for service in SERVICES}
    return {service: found for service, found in counts.items() if found is not None and found.count}


def _counted(found: Mapping[str, Any] | None) -> Counted | None:
    return Counted(len(found["items"]), found["next_cursor"] is not None) if found else None
