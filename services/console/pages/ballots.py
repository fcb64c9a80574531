"""What the bodies vote on: the list, one ballot as it stands or as it was decided, and casting a unit's vote.

Whoever may vote, what counts and what is reached is meetings' to say; what was chosen is shown to nobody afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from services.console.apis import Away, Refused, step
from services.console.browser import apis, browser, for_roles, person
from services.console.pages import live, unconfirmed
from services.console.showing import go, new_key, page, typed_key
from shared.web.context import assembly

blueprint = Blueprint("ballots", __name__)

BODIES = ("executive_committee", "general_meeting")
STATES = ("open", "closed", "cancelled")
CHOICES = ("yes", "no", "abstain")
#: Open ballots looked through for those that wait for a unit's vote; no alliance has more open at a time.
OPEN_BALLOTS_MAX = 100
#: What is kept until it is confirmed (pages/unconfirmed.py).
VOTE = "vote"
#: Roles that see applications, and so the way from a ballot to its application.
READERS_OF_APPLICATIONS = ("secretariat", "committee")


@blueprint.get("/ballots")
@for_roles()
def ballots() -> Response:
    """All ballots; first those that wait for the vote of one's unit."""
    chosen = {"body": _one_of(BODIES, "body"), "state": _one_of(STATES, "state")}
    cursor = request.args.get("cursor", "")
    waiting = [] if cursor or chosen["state"] not in ("", "open") else _waiting_for_me(chosen["body"])
    found = apis().get("meetings", "ballots", body=chosen["body"], state=chosen["state"], cursor=cursor)
    shown_above = {each["ballot_id"] for each in waiting}
    rest = [each for each in found["items"] if each["ballot_id"] not in shown_above]
    return page(
        "ballots.html", waiting=waiting, rest=rest, chosen=chosen, bodies=BODIES, states=STATES, cursor=cursor,
        next_cursor=found["next_cursor"],
    )  # fmt: skip


@blueprint.get("/ballots/<ballot_id>")
@for_roles()
def ballot(ballot_id: str) -> Response:
    """One ballot: while it is open how many have voted, afterwards the result."""
    return _ballot_page(_get(ballot_id))


@blueprint.get("/ballots/<ballot_id>/live")
def ballot_live(ballot_id: str) -> Response:
    """Tells the page of votes that come in, and of the end."""
    return live.follow(lambda ours: ours.get("meetings", f"ballots/{step(ballot_id)}"))


# ------------------------------------------------------------ voting
@blueprint.post("/ballots/<ballot_id>/choice")
@for_roles()
def choose(ballot_id: str) -> AnyResponse:
    """What was chosen is kept, and confirmed on a page of its own; over the password where it was given long ago."""
    choice = request.form.get("choice", "")
    if choice not in CHOICES:
        return _ballot_page(_get(ballot_id), status=HTTPStatus.UNPROCESSABLE_ENTITY, choice_missing=True)
    _keep_choice(_get(ballot_id), choice)
    confirmation = f"/ballots/{step(ballot_id)}/vote"
    return go(confirmation) if browser().is_recent else go("/sign-in", again="1", next=confirmation)


@blueprint.get("/ballots/<ballot_id>/vote")
@for_roles()
def confirm(ballot_id: str) -> AnyResponse:
    """The matter and the choice once more, in large words, before it stands."""
    kept = unconfirmed.kept(VOTE, ballot_id)
    found = _get(ballot_id)
    if kept is None or not (found["you"] or {}).get("may_vote"):
        return redirect(f"/ballots/{step(ballot_id)}", 303)
    return page("ballots-confirm.html", ballot=found, choice=kept["choice"], key=new_key())


@blueprint.post("/ballots/<ballot_id>/vote")
@for_roles()
def vote(ballot_id: str) -> AnyResponse:
    """Cast the vote. It stands."""
    choice, key = request.form.get("choice", ""), typed_key()
    kept = unconfirmed.kept(VOTE, ballot_id)
    if choice not in CHOICES or kept is None:
        return _ballot_page(_get(ballot_id), choice_lapsed=True)
    try:
        apis().post("meetings", f"ballots/{step(ballot_id)}/votes", {"choice": choice}, key=key)
    except Refused as problem:
        if problem.status == HTTPStatus.UNAUTHORIZED:
            # Over the password, and back to the confirmation of what has been kept.
            return go("/sign-in", again="1", next=request.path)
        return _ballot_page(_get(ballot_id), problem=problem)
    except Away as problem:
        # Sent again under the same key, a vote that did arrive counts once.
        return page("ballots-confirm.html", ballot=kept["ballot"], choice=choice, key=key, problem=problem)
    unconfirmed.drop(VOTE, ballot_id)
    return go(f"/ballots/{step(ballot_id)}", "vote_cast")


def _keep_choice(found: Mapping[str, Any], choice: str) -> None:
    """With what the confirmation tells of the ballot, for a moment in which meetings is away."""
    told = {name: found[name] for name in ("ballot_id", "body", "matter", "closes_at")}
    unconfirmed.keep(VOTE, found["ballot_id"], choice=choice, ballot=told)


# ------------------------------------------------------------ what a ballot's page needs
def _get(ballot_id: str) -> Any:
    return apis().get("meetings", f"ballots/{step(ballot_id)}")


def _ballot_page(found: Mapping[str, Any], **content: Any) -> Response:
    result = found["result"]
    bound = [line for line in result["explanation"] if "on_the_bound" in line["code"]] if result else []
    return page(
        "ballots-one.html",
        ballot=found,
        place=_place(found),
        bound_lines=bound,
        sees_applications=person().has(*READERS_OF_APPLICATIONS),
        member=_admitted_member(found),
        live_address=live.address_of(f"/ballots/{step(found['ballot_id'])}/live", found),
        **content,
    )


def _place(found: Mapping[str, Any]) -> str:
    """Where the unit of whoever looks stands in this ballot, as a code of the catalogue."""
    you = found["you"]
    if you is None:
        return "no_unit"
    if you["has_voted"]:
        return "has_voted"
    if not you["on_roll"]:
        return "not_on_roll"
    if you["may_vote"]:
        return "may_vote"
    if found["state"] != "open":
        return "did_not_vote"
    is_late = assembly().clock.now() >= datetime.fromisoformat(found["closes_at"])
    return "too_late" if is_late else "struck"


def _admitted_member(found: Mapping[str, Any]) -> Any:
    """The unit on the roster that this ballot has admitted, once it is there."""
    result = found["result"]
    if found["body"] != "general_meeting" or not result or result["outcome"] != "passed":
        return None
    title = found["matter"]["title"]
    # Also one that has left since; of one that came again, the entry that this ballot has made.
    listed = apis().part("membership", "members", q=title, status="all") or {"items": []}
    named = [each for each in listed["items"] if each["unit_name"] == title]
    return next((each for each in named if each["admitted_at"] == found["ended_at"]), named[0] if named else None)


def _waiting_for_me(body: str) -> list[Any]:
    if person().member_id is None:
        return []
    found = apis().get("meetings", "ballots", state="open", body=body, limit=OPEN_BALLOTS_MAX)
    return [each for each in found["items"] if each["you"] and each["you"]["may_vote"]]


def _one_of(known: tuple[str, ...], name: str) -> str:
    given = request.args.get(name, "")
    return given if given in known else ""
