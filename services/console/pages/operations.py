"""The operators' pages: how the services are, events that have not had their effect, notices that did not arrive.

Every act is first shown as a dry run, and done on exactly the events that were shown. What an act may do is decided by
the services, which also keep the audit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote, urlencode

from flask import Blueprint, Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from services.console.apis import SERVICES, Away, Refused, step
from services.console.browser import apis, for_roles
from services.console.showing import go, has_text, page, say, typed_key
from services.console.spans import span

blueprint = Blueprint("operations", __name__, url_prefix="/operations")

ROLE = "operator"
STATES = ("parked", "deferred", "discarded")
ACTIONS = ("redrive", "discard")
#: Above this age of its oldest unsent event, in seconds, nothing goes out of a service: docs/operating.md says the same.
OUTBOX_WORRY_SECONDS = 60
#: Events of one act at most. Their keys travel with the confirmation, which should stay well under 100 kB.
ACT_EVENTS_MAX = 200
#: Events named on the confirmation; of the others it says how many there are.
SHOWN_MAX = 20
#: Notices that were given up, on the overview.
FAILED_SHOWN = 5
DELIVERY_STATES = ("abandoned", "pending", "delivered", "cancelled")
CHANNELS = ("inbox", "email", "webhook")
#: A refusal as a consumer wrote it down: `Conflict: event.out_of_order done_to=7`.
_CODE = re.compile(r"\b[a-z_]+(?:\.[a-z_]+)+\b")
_PARAM = re.compile(r"(\w+)=(\S+)")


@blueprint.get("")
@for_roles(ROLE)
def overview() -> Response:
    """All four services, whichever of them answer."""
    services = [(service, _judged(apis().part(service, "operations/state"))) for service in SERVICES]
    failed = apis().part("notifications", "deliveries", state="abandoned", limit=FAILED_SHOWN)
    return page("operations.html", services=services, failed=failed)


# ------------------------------------------------------------ events that have not had their effect
@blueprint.get("/<service>/events")
@for_roles(ROLE)
def events(service: str) -> Response:
    """A service's events in one state."""
    return _events(_known(service), request.args)


@blueprint.get("/<service>/event")
@for_roles(ROLE)
def event(service: str) -> Response:
    """One event with its envelope, why it waits, and what was done about it."""
    # Escaped once more: the key has escapes of its own, which belong to the id.
    found = apis().get(_known(service), f"operations/events/{quote(request.args.get('key', ''))}")
    envelope = json.dumps(found["envelope"], ensure_ascii=False, indent=2) if found["envelope"] else ""
    return page("operations-event.html", service=service, event=found, envelope=envelope, why=why)


@blueprint.post("/<service>/check")
@for_roles(ROLE)
def check(service: str) -> Response:
    """What an act on the chosen events would do."""
    form, chosen = request.form, request.form.getlist("event")[:ACT_EVENTS_MAX]
    if form.get("everything"):
        which: dict[str, Any] = {"filter": _filter(form), "limit": ACT_EVENTS_MAX}
    elif chosen:
        which = {"events": _named(chosen)}
    else:
        return _events(_known(service), form, nothing_chosen=True)
    return _confirmation(_known(service), _action(), which)


@blueprint.post("/<service>/act")
@for_roles(ROLE)
def act(service: str) -> AnyResponse:
    """Do it."""
    action, reason = _action(), request.form.get("reason", "")
    which = {"events": _named(request.form.getlist("event")[:ACT_EVENTS_MAX])}
    try:
        apis().post(_known(service), f"operations/{action}", {**which, **_reason(reason)}, key=typed_key())
    except (Refused, Away) as problem:
        return _confirmation(service, action, which, reason=reason, problem=problem)
    return go(f"/operations/{service}/events", f"operations.{action}")


@blueprint.get("/<service>/actions")
@for_roles(ROLE)
def actions(service: str) -> Response:
    """What operators did at a service, newest first."""
    found = apis().get(_known(service), "operations/actions", cursor=request.args.get("cursor"), limit=50)
    return page("operations-actions.html", service=service, actions=found, next_address=_next({}, found))


# ------------------------------------------------------------ notices on their way
@blueprint.get("/deliveries")
@for_roles(ROLE)
def deliveries() -> Response:
    """What was sent to whom, and what came of it."""
    return _deliveries()


@blueprint.post("/deliveries/<delivery_id>/retry")
@for_roles(ROLE)
def retry(delivery_id: str) -> AnyResponse:
    """Begin a new round of attempts."""
    try:
        apis().post("notifications", f"deliveries/{step(delivery_id)}/retry", key=typed_key())
    except (Refused, Away) as problem:
        return _deliveries(problem)
    return go("/operations/deliveries", "operations.retried")


# ------------------------------------------------------------ how things are put
def why(reason: str | None) -> str:
    """Why an event waits, in words where the catalogue has them; as it was written down otherwise."""
    for code in _CODE.findall(reason or ""):
        if has_text(code):
            return say(code, **dict(_PARAM.findall(reason or "")))
    return reason or ""


def _judged(state: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A service's state with the worst that can be said of it, first."""
    if state is None:
        return {"verdict": "away", "tone": "bad"}
    outbox, inbox = state["outbox"], state["inbox"]
    if not state["ready"]:
        verdict, tone = "not_ready", "bad"
    elif outbox["oldest_age_seconds"] > OUTBOX_WORRY_SECONDS:
        verdict, tone = "stuck", "bad"
    elif inbox["parked"]:
        verdict, tone = "parked", "warn"
    else:
        verdict, tone = "well", "good"
    ages = {
        "outbox_age": span(int(outbox["oldest_age_seconds"] * 1000)) if outbox["pending"] else "",
        "parked_age": span(int(inbox["oldest_parked_age_seconds"] * 1000)) if inbox["parked"] else "",
    }
    return {**state, **ages, "verdict": verdict, "tone": tone}


def _events(service: str, given: Mapping[str, str], *, nothing_chosen: bool = False) -> Response:
    query = _query(given)
    found = apis().get(service, "operations/events", **query, cursor=given.get("cursor"), limit=50)
    return page(
        "operations-events.html",
        status=422 if nothing_chosen else 200,
        service=service,
        events=found,
        query=query,
        states=STATES,
        acts_max=ACT_EVENTS_MAX,
        nothing_chosen=nothing_chosen,
        why=why,
        next_address=_next(query, found),
    )


def _confirmation(
    service: str,
    action: str,
    which: Mapping[str, Any],
    *,
    reason: str = "",
    problem: Refused | Away | None = None,
) -> Response:
    # A dry run of discarding wants its reason too; this one is stored nowhere.
    body = {**which, "reason": say("operations.dry_run"), "dry_run": True}
    try:
        outcome = apis().post(service, f"operations/{action}", body, key=typed_key() + "-dry")
    except Away:
        if problem is None:
            raise
        # Away at the act as well: what was chosen and typed stays, only its list is missing.
        outcome = {"changed": [], "unchanged": [], "remaining": 0, "named": which.get("events", [])}
    changed: Sequence[Mapping[str, Any]] = outcome["changed"]
    return page(
        "operations-confirm.html",
        problem=problem,
        service=service,
        action=action,
        outcome=outcome,
        keys=[each["key"] for each in changed] or [_key(each) for each in outcome.get("named", ())],
        shown=changed[:SHOWN_MAX],
        overtaken=sum(1 for each in changed if each["overtaken_by"] is not None),
        reason=reason,
        key=typed_key(),
        why=why,
    )


def _deliveries(problem: Refused | Away | None = None) -> Response:
    query = {
        name: request.args[name]
        for name, known in (("state", DELIVERY_STATES), ("channel", CHANNELS))
        if request.args.get(name) in known
    }
    found = apis().part("notifications", "deliveries", **query, cursor=request.args.get("cursor"), limit=30)
    return page(
        "operations-deliveries.html",
        problem=problem,
        deliveries=found,
        query=query,
        states=DELIVERY_STATES,
        channels=CHANNELS,
        next_address=_next(query, found),
    )


# ------------------------------------------------------------ what was asked for
def _known(service: str) -> str:
    if service not in SERVICES:
        abort(404)
    return service


def _action() -> str:
    action = request.form.get("action", "")
    if action not in ACTIONS:
        abort(400)
    return action


def _query(given: Mapping[str, str]) -> dict[str, Any]:
    state = given.get("state", "")
    told = {name: given.get(name, "").strip() for name in ("type", "subject")}
    return {"state": state if state in STATES else STATES[0], **{name: text for name, text in told.items() if text}}


def _filter(given: Mapping[str, str]) -> dict[str, Any]:
    query = _query(given)
    return {**query, "state": [query["state"]]}


def _named(keys: Sequence[str]) -> list[dict[str, str]]:
    """Events by the keys of the list, whose ids are escaped."""
    parts = [key.rpartition("/") for key in keys]
    return [{"source": source, "event_id": unquote(event_id)} for source, _, event_id in parts]


def _key(event: Mapping[str, str]) -> str:
    return f"{event['source']}/{quote(event['event_id'], safe='')}"


def _reason(typed: str) -> dict[str, str]:
    return {"reason": typed} if typed.strip() else {}


def _next(query: Mapping[str, str], found: Mapping[str, Any] | None) -> str:
    """The address of the next page; empty on the last."""
    cursor = found["next_cursor"] if found else None
    return f"?{urlencode({**query, 'cursor': cursor})}" if cursor else ""
