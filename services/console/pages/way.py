"""The way of an application through the procedure, in words: its stages with their articles, and what has happened.

Membership's history is shown as it is; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.console.showing import language, say
from services.console.wording import day, moment
from shared.runtime.citing import article_label
from shared.web.context import assembly

#: The stages, each with its article and the step of the history that completes it.
STAGES = (
    ("submit", "6(1)", "submit"),
    ("check", "11", "accept"),
    ("committee", "6(2)", "approve"),
    ("meeting", "6(3)", "admit"),
    ("roster", "6(3)", "admit"),
)
#: Where an application is while it is in a state.
_STAGE_OF_STATE = {"submitted": "check", "questioned": "check", "accepted": "committee", "approved": "meeting"}
_COMMITTEE, _MEETING = "executive_committee", "general_meeting"
#: Who takes a step, as people know them; a refusal is the committee's or the meeting's.
_BY = {
    "submit": "applicant",
    "ask": "secretariat",
    "answer": "applicant",
    "answer_one": "applicant",
    "accept": "secretariat",
    "approve": _COMMITTEE,
    "admit": _MEETING,
}


def way_of(application: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(text, state, note) of every stage, for the `steps` component."""
    steps = application["steps"]
    done_on = {each["step"]: day(each["at"]) for each in steps}
    here, end = _where(application)
    way = []
    for stage, article, completed_by in STAGES:
        label = article_label(assembly().texts, language(), article)
        if completed_by in done_on:
            state, note = "done", done_on[completed_by]
        elif stage == here:
            state, note = {"refused": "failed", "withdrawn": "next"}.get(end, "now"), ""
            note = say(f"status.way.{end}", day=done_on[steps[-1]["step"]]) if end else _until(application)
        else:
            state, note = "next", ""
        way.append((say(f"status.stage.{stage}"), state, " · ".join(part for part in (label, note) if part)))
    return way


def story_of(application: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What has happened and by whom, newest first."""
    steps = [
        {**each, "by": _by(application, each), "title": _title(each), "words": each["reason"] or ""}
        for each in application["steps"]
    ]
    openings = [
        {
            "at": each["opened_at"],
            "by": each["body"],
            "title": say(f"status.opened.{each['body']}", closes=moment(each["closes_at"])),
            "article": {_COMMITTEE: "6(2)", _MEETING: "6(3)"}.get(each["body"]),
            "words": "",
        }
        for each in application["ballots"]
        if each["opened_at"]
    ]
    story = [
        {**each, "service": "meetings" if each["by"] in (_COMMITTEE, _MEETING) else "membership"}
        for each in (*steps, *openings)
    ]
    return sorted(story, key=lambda each: str(each["at"]), reverse=True)


def _by(application: Mapping[str, Any], each: Mapping[str, Any]) -> str:
    if each["step"] == "refuse":
        return _COMMITTEE if _where(application)[0] == "committee" else _MEETING
    return _BY.get(each["step"]) or ("secretariat" if each["actor_kind"] == "person" else "applicant")


def _title(each: Mapping[str, Any]) -> str:
    if each["step"] == "withdraw" and each["actor_kind"] == "person":
        return say("status.happened.withdraw_recorded")
    return say(f"status.happened.{each['step']}")


def _where(application: Mapping[str, Any]) -> tuple[str, str]:
    """The stage at hand, and how it ended there where it did: refused or withdrawn."""
    state = application["state"]
    if state not in ("refused", "withdrawn"):
        return _STAGE_OF_STATE.get(state, ""), ""
    before = [each["state"] for each in application["steps"] if each["state"] in _STAGE_OF_STATE]
    return _STAGE_OF_STATE[before[-1]], state


def _until(application: Mapping[str, Any]) -> str:
    running = [each for each in application["ballots"] if not each["closed_at"] and each["closes_at"]]
    return say("status.way.until", moment=moment(running[-1]["closes_at"])) if running else ""
