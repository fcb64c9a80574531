"""What a person is told: their subscriptions in words, another one by a form, the usual ones by a click, and the end of one.

Who may be told of what, and at which address, is decided by notifications.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from services.console.apis import Away, Refused, step
from services.console.browser import Person, apis, for_roles, person
from services.console.pages.topics import TOPICS, covers, in_words, patterns_of, usual_topics
from services.console.showing import go, language, new_key, page, say, typed_key
from shared.runtime.texts import LANGUAGES

ADDRESS = "/notices/subscriptions"
blueprint = Blueprint("subscriptions", __name__, url_prefix=ADDRESS)

CHANNELS = (INBOX, EMAIL, WEBHOOK) = ("inbox", "email", "webhook")
#: Nobody may have more of them: all are on one page.
SUBSCRIPTIONS_MAX = 50


@blueprint.get("")
@for_roles()
def subscriptions() -> Response:
    """The subscriptions, and the form for another one."""
    return _page()


@blueprint.post("")
@for_roles()
def subscribe() -> AnyResponse:
    """One more, as the form says."""
    typed = {
        "topics": request.form.getlist("topics"),
        **{name: request.form.get(name, "").strip() for name in ("channel", "target", "language")},
    }
    return _subscribe(typed)


@blueprint.post("/usual")
@for_roles()
def subscribe_to_the_usual() -> AnyResponse:
    """What somebody in these roles would want to know, in the inbox."""
    return _subscribe({**_nothing_typed(), "topics": usual_topics(person())})


@blueprint.get("/<subscription_id>/end")
@for_roles()
def confirm_end(subscription_id: str) -> Response:
    """Ask before it is ended."""
    found = apis().get("notifications", f"subscriptions/{step(subscription_id)}")
    return page("subscriptions-end.html", subscription=_told(found))


@blueprint.post("/<subscription_id>/end")
@for_roles()
def end(subscription_id: str) -> AnyResponse:
    """Unsubscribe."""
    try:
        apis().delete("notifications", f"subscriptions/{step(subscription_id)}")
    except (Refused, Away) as problem:
        return _page(problem)
    return go(ADDRESS, "unsubscribed")


def all_subscriptions() -> list[dict[str, Any]] | None:
    """The person's own, oldest first; None while notifications is away."""
    found = apis().part("notifications", "subscriptions", limit=SUBSCRIPTIONS_MAX)
    return found["items"] if found else None


def offer(who: Person, mine: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """The topics that the click subscribes to, for somebody whose inbox nothing goes to; otherwise none."""
    return [] if mine is None or _inbox_patterns(mine) else usual_topics(who)


def _subscribe(typed: dict[str, Any]) -> AnyResponse:
    wanted, channel = patterns_of(typed["topics"]), typed["channel"]
    body = {
        "event_types": wanted,
        "channel": channel,
        "target": typed["target"] or None,
        "language": typed["language"] or language(),
    }
    try:
        if channel == INBOX and not typed["target"] and _is_told_already(wanted):
            return go(ADDRESS, "subscribed_already")
        receipt = apis().post("notifications", "subscriptions", body, key=typed_key())
    except Refused as refused:
        # What is sent after a refusal is another request, and needs a key of its own.
        return _page(_at_fields(refused), typed, new_key())
    except Away as away:
        return _page(away, typed, typed_key())
    if receipt["secret"]:
        # Not by way of an address of its own: the secret is shown this once and kept nowhere.
        return page("subscriptions-secret.html", subscription=_told(receipt), secret=receipt["secret"])
    return go(ADDRESS, "subscribed")


def _is_told_already(wanted: Sequence[str]) -> bool:
    """The inbox shows an event once however often it was subscribed to: another line would only puzzle people."""
    return bool(wanted) and covers(_inbox_patterns(all_subscriptions() or ()), wanted)


def _page(problem: Refused | Away | None = None, typed: dict[str, Any] | None = None, key: str = "") -> Response:
    mine = all_subscriptions()
    return page(
        "subscriptions.html",
        problem=problem,
        errors=problem.by_field if isinstance(problem, Refused) else {},
        subscriptions=None if mine is None else [_told(each) for each in mine],
        offer=offer(person(), mine),
        topics=_options("topic", TOPICS),
        channels=_options("channel", CHANNELS),
        tongues=[(each, say(f"language.{each}")) for each in LANGUAGES],
        typed=typed or _nothing_typed(),
        key=key or new_key(),
        usual_key=new_key(),
    )


def _options(kind: str, codes: Iterable[str]) -> list[tuple[str, str, str]]:
    """What there is to choose from: (code, name, what it means)."""
    return [(code, say(f"subscriptions.{kind}.{code}"), say(f"subscriptions.{kind}.{code}.text")) for code in codes]


def _nothing_typed() -> dict[str, Any]:
    return {"topics": [], "channel": INBOX, "target": "", "language": language()}


def _told(subscription: Mapping[str, Any]) -> dict[str, Any]:
    """The subscription with what it tells of in words; `title` is the same in one line."""
    words = list(in_words(subscription["event_types"]))
    return {**subscription, "words": words, "title": say("subscriptions.comma").join(text for text, _ in words)}


def _inbox_patterns(mine: Sequence[Mapping[str, Any]]) -> set[str]:
    living = (each for each in mine if each["channel"] == INBOX and not each["disabled_at"])
    return {pattern for each in living for pattern in each["event_types"]}


def _at_fields(refused: Refused) -> Refused:
    """The API's faults at the form's fields: people tick topics, not types of events."""
    refused.faults = [
        {**each, "field": "topics" if str(each.get("field")).startswith("event_types") else each.get("field")}
        for each in refused.faults
    ]
    return refused
