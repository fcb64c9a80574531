"""One application's way through the services as a story: by stage, with who did what when, and on which article it rests.

The order and the words are those of the notifications API. What was told to whom is folded under what it was about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response

from services.console.apis import step
from services.console.browser import Person, apis, for_roles, person
from services.console.pages.live import address_of, follow
from services.console.showing import has_text, page, say
from services.console.spans import span

blueprint = Blueprint("timelines", __name__)

Entry = Mapping[str, Any]

#: Steps shown: an admission has about fifteen; the founding of a large alliance is a story of thousands.
STEPS_MAX = 150
#: What follows sooner follows at once, in milliseconds.
MOMENT_MILLISECONDS = 1_000
#: What tells of a delivery rather than of a step. One that was given up is a step of its own: somebody was not told.
DELIVERY = "notifications.delivery."
ABANDONED = "notifications.delivery.abandoned"
#: To which stage of a story a type belongs, by its beginning; the first that fits. Types of other stories, or newer than this, fit none.
STAGES = {
    "membership.alliance.": "founding",
    "membership.leaving.": "leaving",
    "membership.member.left": "leaving",
    "membership.office.vacated": "leaving",
    "membership.account.closed": "leaving",
    "finance.account.closed": "leaving",
    "membership.office.": "founding",
    "membership.application.": "form",
    "membership.admission.approved": "executive_committee",
    "membership.member.": "entry",
    "membership.account.": "entry",
    "finance.": "entry",
    ABANDONED: "telling",
}
#: Belongs to the stage in which it happened.
WHEREVER = "membership.application.withdrawn"
#: What came of the application, by the type that says so.
OUTCOMES = {
    "membership.member.admitted": "admitted",
    "membership.admission.refused": "refused",
    "membership.application.withdrawn": "withdrawn",
}
APPLICATION_READERS = ("secretariat", "committee")


@dataclass
class Step:
    """Something that happened, and what was told because of it."""

    entry: Entry
    #: How long after the step before it, in words; empty for the first.
    after: str
    who: str
    links: list[tuple[str, str]]
    told: list[Entry] = field(default_factory=list)


@dataclass
class Stage:
    """Steps that follow one another at the same place in the procedure."""

    name: str
    steps: list[Step] = field(default_factory=list)

    @property
    def lasted(self) -> str:
        """From its first step to its last, in words; empty for what is over in a moment."""
        milliseconds = int(self.steps[-1].entry["elapsed_ms"]) - int(self.steps[0].entry["elapsed_ms"])
        return span(milliseconds) if milliseconds >= MOMENT_MILLISECONDS else ""


@dataclass(frozen=True)
class Story:
    """All of it."""

    stages: list[Stage]
    unit_name: str
    number: str
    outcome: str
    began_at: str
    latest_at: str
    lasted: str
    steps: int
    told: int

    @property
    def is_application(self) -> bool:
        """Whether it is about somebody who wants to join."""
        return bool(self.outcome)


@blueprint.get("/timelines/<correlation_id>")
@for_roles()
def timeline(correlation_id: str) -> Response:
    """The story."""
    found = apis().get("notifications", f"timelines/{step(correlation_id)}")
    live_address = address_of(f"/timelines/{step(correlation_id)}/live", found)
    return page("timelines.html", story=story_of(found["entries"], person()), live=live_address, steps_max=STEPS_MAX)


@blueprint.get("/timelines/<correlation_id>/live")
@for_roles()
def live(correlation_id: str) -> Response:
    """Says when there is more to tell."""
    return follow(lambda asked: asked.get("notifications", f"timelines/{step(correlation_id)}"))


def story_of(entries: Iterable[Entry], who: Person) -> Story:
    """The entries as steps in stages; the API has put them in order."""
    given = list(entries)
    happened = [each for each in given if not _is_delivery(each)]
    told = [each for each in given if _is_delivery(each)]
    known = {
        name: each["data"].get(name) for each in happened for name in ("unit_name", "number") if name in each["data"]
    }
    application = next((each for each in happened if str(each["type"]).startswith("membership.application.")), None)
    if application is not None:
        known |= {name: value for name, value in application["data"].items() if name in ("unit_name", "number")}
    shown = happened or given
    return Story(
        stages=_stages(happened[:STEPS_MAX], told, who),
        unit_name=str(known.get("unit_name") or ""),
        number=str(known.get("number") or ""),
        outcome=_outcome(happened) if application is not None else "",
        began_at=str(given[0]["at"]),
        latest_at=str(shown[-1]["at"]),
        lasted=span(int(shown[-1]["elapsed_ms"])),
        steps=len(happened),
        told=len(told),
    )


def _stages(happened: list[Entry], told: list[Entry], who: Person) -> list[Stage]:
    stages: list[Stage] = []
    steps: dict[str, Step] = {}
    before: Entry | None = None
    for entry in happened:
        name = _stage_of(entry) or (stages[-1].name if stages else "other")
        if not stages or stages[-1].name != name:
            stages.append(Stage(name))
        made = Step(entry, _after(before, entry), _who(entry), _links(entry, who))
        stages[-1].steps.append(made)
        steps[str(entry["event_id"])] = made
        before = entry
    for entry in told:
        if str(entry["event_id"]) in steps:
            steps[str(entry["event_id"])].told.append(entry)
    return stages


def _stage_of(entry: Entry) -> str | None:
    """The stage, or None where it belongs to the one in which it happened."""
    kind, data = str(entry["type"]), entry["data"]
    if kind.startswith("meetings.ballot."):
        return str(data.get("body") or "other")
    if kind == "membership.admission.refused":
        return str(data.get("stage") or "other")
    if kind == WHEREVER:
        return None
    return next((stage for beginning, stage in STAGES.items() if kind.startswith(beginning)), None)


def _after(before: Entry | None, entry: Entry) -> str:
    if before is None:
        return ""
    gap = int(entry["elapsed_ms"]) - int(before["elapsed_ms"])
    return say("timelines.at_once") if gap < MOMENT_MILLISECONDS else say("timelines.after", span=span(gap))


def _who(entry: Entry) -> str:
    kind, data = str(entry["type"]), entry["data"]
    if kind.startswith("meetings.ballot.") and has_text(f"body.{data.get('body')}"):
        return say(f"body.{data['body']}")
    return say(f"timelines.who.{kind}") if has_text(f"timelines.who.{kind}") else ""


def _links(entry: Entry, who: Person) -> list[tuple[str, str]]:
    kind, data = str(entry["type"]), entry["data"]
    if kind.startswith("meetings.ballot.") and data.get("ballot_id"):
        return [("ballot", f"/ballots/{step(str(data['ballot_id']))}")]
    if kind.startswith(("membership.member.", "membership.leaving.")) and data.get("member_id"):
        return [("member", f"/members/{step(str(data['member_id']))}")]
    if kind == "membership.application.submitted" and who.has(*APPLICATION_READERS):
        return [("application", f"/applications/{step(str(data.get('application_id')))}")]
    return []


def _outcome(happened: list[Entry]) -> str:
    return next((OUTCOMES[str(each["type"])] for each in happened if each["type"] in OUTCOMES), "open")


def _is_delivery(entry: Entry) -> bool:
    return str(entry["type"]).startswith(DELIVERY) and entry["type"] != ABANDONED
