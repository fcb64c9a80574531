"""What the story must have left behind: roster, account, deliveries, a complete timeline. Looks, and names what lacks.

Everything is read from the APIs and from the receivers' side, nothing from the databases.
"""

from __future__ import annotations

from typing import Any

from deploy.embedded.api_client import Api, WaitedInVain
from deploy.embedded.sinks import MailSink, WebhookSink
from deploy.embedded.story import Admission, Cast
from deploy.embedded.teller import Step, Teller

#: The steps of the chain every admission is judged by, in the order in which they must appear.
CHAIN = (
    "membership.application.submitted",
    "membership.application.questioned",
    "membership.application.answered",
    "membership.application.accepted",
    "meetings.ballot.opened",
    "meetings.ballot.closed",
    "membership.admission.approved",
    "meetings.ballot.opened",
    "meetings.ballot.closed",
    "membership.member.admitted",
)
#: What follows from the roster entry, in any order.
CONSEQUENCES = ("finance.account.opened", "membership.account.opened")
ADMITTED = "membership.member.admitted"

Entry = dict[str, Any]


def await_deliveries(
    teller: Teller, cast: Cast, admission: Admission, mail: MailSink, hooks: WebhookSink
) -> tuple[str, ...]:
    """Wait for the news of the admission in every channel and tell of it; returns the channels that lack it."""
    started = cast.secretary.clock.monotonic()
    missing: list[str] = []
    details: list[str] = []

    def check(channel: str, look: Any) -> None:
        try:
            details.append(cast.secretary.wait(channel, look))
        except WaitedInVain:
            missing.append(channel)

    check("inbox", lambda: _inbox(teller, cast.secretary, admission))
    check("email", lambda: _email(teller, mail, admission))
    check("webhook", lambda: _webhook(teller, hooks, admission))
    elapsed_ms = (cast.secretary.clock.monotonic() - started) * 1000
    params: dict[str, object] = {"channels": len(details)}
    teller.step(Step("story.delivered", "notifications", "", elapsed_ms, params, tuple(details)))
    return tuple(missing)


def await_timeline(api: Api, admission: Admission) -> list[Entry]:
    """The timeline, once it is complete; whatever there is when the deadline passes."""
    path = f"notifications/v1/timelines/{admission.correlation_id}"

    def look() -> list[Entry] | None:
        entries: list[Entry] = api.get(path)["entries"]
        return None if lacking(entries) else entries

    try:
        return api.wait("a complete timeline", look)
    except WaitedInVain:
        entries: list[Entry] = api.get(path)["entries"]
        return entries


def lacking(entries: list[Entry]) -> list[str]:
    """The event types that the timeline lacks, or has in a wrong order."""
    types = [str(entry["type"]) for entry in entries]
    rest = iter(types)
    missing = [wanted for wanted in CHAIN if wanted not in rest]
    return missing + [wanted for wanted in CONSEQUENCES if wanted not in types]


def missing_records(cast: Cast, admission: Admission) -> list[str]:
    """What the roster and the ledger do not show of the new member."""
    found: list[str] = []
    roster = cast.secretary.get("membership/v1/members", limit=100)["items"]
    if admission.number not in {member["number"] for member in roster}:
        found.append("roster")
    account = cast.treasurer.get(f"finance/v1/members/{admission.member_id}/account")
    if account["member_id"] != admission.member_id:
        found.append("finance account")
    return found


def _inbox(teller: Teller, secretary: Api, admission: Admission) -> str | None:
    for item in secretary.get("notifications/v1/inbox", limit=100)["items"]:
        if item["type"] == ADMITTED and item["correlation_id"] == admission.correlation_id:
            return teller.say("story.inbox", title=item["title"])
    return None


def _email(teller: Teller, mail: MailSink, admission: Admission) -> str | None:
    for message in mail.messages():
        body = message.get_body(("plain",))
        text = str(body.get_content()) if body is not None else ""
        if admission.number in text + str(message["Subject"]):
            return teller.say("story.email", to=str(message["To"]), subject=str(message["Subject"]))
    return None


def _webhook(teller: Teller, hooks: WebhookSink, admission: Admission) -> str | None:
    for hook in hooks.hooks():
        if ADMITTED.encode() in hook.body and admission.member_id.encode() in hook.body:
            # An unsigned request with the right words is not a delivery.
            genuine = hook.is_genuine(admission.webhook_secret)
            return teller.say("story.webhook", id=hook.headers["webhook-id"]) if genuine else None
    return None
