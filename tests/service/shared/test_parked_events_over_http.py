"""The operators' handles over HTTP: who may, what is answered, what is refused, and that every act is on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from shared.messaging.inbox import DEFERRED, DISCARDED, PARKED, inbox
from shared.messaging.outbox import outbox
from shared.persistence.columns import kernel_metadata
from shared.runtime.assembly import Assembly
from shared.runtime.clock import ManualClock
from tests.builders.parked import SOURCE, body_of
from tests.deployment.addresses import SERVICES
from tests.fixtures.assemblies import Client, MakeAssembly, bearer

MakeClient = Callable[[Assembly], Client]
ROLES = ("secretariat", "treasurer", "authority", "representative", "committee", "member", "")


class Desk:
    """An operator's desk at one service, with parked events of a type that nobody there understands."""

    def __init__(self, assembly: Assembly, web: Client) -> None:
        self.assembly = assembly
        self.web = web
        self.headers = bearer(assembly, roles=["operator"], subject="account-7")

    def park(self, *words: str) -> None:
        for word in words:
            self.assembly.consumer().accept([body_of(word, subject=f"of-{word}")])

    def get(self, path: str, **kwargs: Any) -> Any:
        answer = self.web.get(f"/operations/{path}", headers=self.headers, **kwargs)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        return self.web.post(f"/operations/{path}", headers={**self.headers, **headers}, json=body)

    def states(self) -> dict[str, str]:
        return {row["event_id"]: row["state"] for row in self.rows("inbox")}

    def rows(self, table: str) -> list[dict[str, Any]]:
        with self.assembly.reading() as reading:
            return [row._asdict() for row in reading.all(kernel_metadata.tables[table].select())]


@pytest.fixture
def desk(make_assembly: MakeAssembly, client: MakeClient) -> Desk:
    assembly = make_assembly("finance")
    return Desk(assembly, client(assembly))


def named(*words: str) -> list[dict[str, str]]:
    return [{"source": SOURCE, "event_id": word} for word in words]


def faults(answer: Any) -> set[str]:
    assert answer.content_type == "application/problem+json"
    return {each["field"] for each in answer.get_json()["errors"]}


# ------------------------------------------------------------ looking
def test_the_state_tells_readiness_and_what_waits_in_outbox_and_inbox(desk: Desk, clock: ManualClock) -> None:
    # given an event that has not gone out, one that waits for a decision, and one that was closed
    desk.park("one", "two")
    desk.post("discard", {"events": named("two"), "reason": "for a test"})
    with desk.assembly.begin() as work:
        row = {
            "event_id": "mine", "type": "finance.word.said", "subject": "s", "sequence": 1, "envelope": "{}",
            "recorded_at": work.now,
        }  # fmt: skip
        work.execute(outbox.insert().values(**row))
    clock.advance(90)

    told = desk.get("state")

    assert (told["service"], told["ready"]) == ("finance", True)
    assert told["checks"] == {"database": "ok", "draining": "no"}
    assert told["outbox"] == {"pending": 1, "oldest_age_seconds": 90.0}
    assert told["inbox"] == {"deferred": 0, "parked": 1, "discarded": 1, "oldest_parked_age_seconds": 90.0}


def test_parked_events_are_listed_page_by_page_oldest_first(desk: Desk, clock: ManualClock) -> None:
    for word in ("one", "new\nline", "three"):  # an id with a line break is nothing a cursor could hold
        desk.park(word)
        clock.advance(1)

    found, cursor = [], None
    while True:
        query: dict[str, Any] = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = desk.get("events", query_string=query)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert [each["event_id"] for each in found] == ["one", "new\nline", "three"]
    assert found[0]["state"] == PARKED
    assert "event.unknown_type" in found[0]["reason"]
    assert "body" not in found[0]


def test_a_list_is_filtered_by_query(desk: Desk, clock: ManualClock) -> None:
    desk.park("one")
    clock.advance(60)
    desk.park("two")
    desk.post("discard", {"events": named("two"), "reason": "for a test"})

    def ids(query: str) -> list[str]:
        return [each["event_id"] for each in desk.get(f"events?{query}")["items"]]

    assert ids("") == ["one"]
    assert ids("state=discarded") == ["two"]
    assert ids("state=parked&state=discarded") == ["one", "two"]
    assert ids("subject=of-one") == ["one"]
    assert ids("type=alpha.word.whispered") == []
    assert ids("state=parked&state=discarded&received_after=2026-03-02T01:00:30Z") == ["two"]
    assert ids("state=parked&state=discarded&received_before=2026-03-02T01:00:30Z") == ["one"]


@pytest.mark.parametrize("event_id", ["plain", "with/slash", "with%2Fescape", "汉字", "new\nline", "a b?c#d"])
def test_one_event_is_shown_with_its_envelope_under_the_key_of_the_list(desk: Desk, event_id: str) -> None:
    desk.park(event_id)
    [listed] = desk.get("events")["items"]

    shown = desk.get(f"events/{quote(listed['key'])}")

    assert shown["event_id"] == event_id
    assert shown["envelope"]["id"] == event_id
    assert shown["excerpt"] is None
    assert (shown["waiting_behind"], shown["behind"], shown["actions"]) == (0, [], [])


def test_an_unreadable_message_is_shown_as_an_excerpt(desk: Desk) -> None:
    desk.assembly.consumer().accept([b"\x00\xff<script>"])
    [listed] = desk.get("events")["items"]

    shown = desk.get(f"events/{listed['key']}")

    assert (shown["envelope"], shown["excerpt"], shown["bytes"]) == (None, "\\x00\\xff<script>", 10)


def test_an_unknown_event_is_not_found(desk: Desk) -> None:
    answer = desk.web.get("/operations/events/urn:lianmeng:alpha/nowhere", headers=desk.headers)

    assert (answer.status_code, answer.get_json()["code"]) == (404, "event.unknown")


BAD_QUERIES = {
    "state=done": "state.0",
    "state=": "state.0",
    "limit=0": "limit",
    "limit=101": "limit",
    "cursor=abc": "cursor",
    "cursor=WzEsMl0": "cursor",
    "cursor=W3sidCI6IjIwMjYtMDMtMDJUMDE6MDA6MDBaIn0sICJ4Il0": "cursor",
    "received_before=yesterday": "received_before",
    "received_after=2026-03-02T01:00:00": "received_after",
    "colour=red": "colour",
}


def test_a_bad_query_is_refused_naming_the_field(desk: Desk) -> None:
    for query, field in BAD_QUERIES.items():
        answer = desk.web.get(f"/operations/events?{query}", headers=desk.headers)
        assert answer.status_code == 422, query
        assert faults(answer) == {field}, query


# ------------------------------------------------------------ acting
def test_an_operator_redrives_and_the_event_is_due_at_once(desk: Desk, clock: ManualClock) -> None:
    desk.park("one", "two")
    bell = desk.assembly.wakeups.listener(of_due=True)

    answer = desk.post("redrive", {"events": named("one")})

    assert answer.status_code == 200
    told = answer.get_json()
    assert (told["action"], told["dry_run"], told["remaining"], told["unchanged"]) == ("redrive", False, 0, [])
    assert [(each["event_id"], each["state"]) for each in told["changed"]] == [("one", PARKED)]
    assert desk.states() == {"one": DEFERRED, "two": PARKED}
    assert bell.is_set()
    [row] = [row for row in desk.rows("inbox") if row["event_id"] == "one"]
    assert row["next_attempt_at"] == clock.now()


def test_an_operator_discards_by_filter_up_to_a_limit(desk: Desk, clock: ManualClock) -> None:
    for word in ("one", "two", "three"):
        desk.park(word)
        clock.advance(1)

    body = {"filter": {"type": "alpha.word.said"}, "limit": 2, "reason": "the type was a mistake"}
    told = desk.post("discard", body).get_json()

    assert ([each["event_id"] for each in told["changed"]], told["remaining"]) == (["one", "two"], 1)
    assert desk.states() == {"one": DISCARDED, "two": DISCARDED, "three": PARKED}


@pytest.mark.parametrize("action", ["redrive", "discard"])
def test_a_dry_run_tells_the_same_and_changes_nothing(desk: Desk, action: str) -> None:
    desk.park("one", "two")
    before = desk.rows("inbox")
    body = {"filter": {}, "reason": "looking first"}

    told = desk.post(action, {**body, "dry_run": True}).get_json()

    assert told["dry_run"] is True
    assert desk.rows("inbox") == before
    assert desk.rows("operator_actions") == []
    done = desk.post(action, body).get_json()
    assert {**told, "dry_run": False} == done


def test_the_same_request_sent_twice_is_one_act(desk: Desk) -> None:
    desk.park("one")
    body = {"events": named("one"), "reason": "once"}

    first = desk.post("discard", body, **{"Idempotency-Key": "k-1"})
    again = desk.post("discard", body, **{"Idempotency-Key": "k-1"})

    assert again.get_json() == first.get_json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(desk.rows("operator_actions")) == 1


BAD_BODIES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "neither events nor filter": ({}, {"events"}),
    "both": ({"events": named("one"), "filter": {}}, {"events"}),
    "no event named": ({"events": []}, {"events"}),
    "an event half named": ({"events": [{"source": SOURCE}]}, {"events.0.event_id"}),
    "an unknown event among known ones": ({"events": named("one", "oen")}, {"events.1"}),
    "too many events": ({"events": named(*(f"e-{n}" for n in range(1_001)))}, {"events"}),
    "a state that is none": ({"filter": {"state": ["done"]}}, {"filter.state.0"}),
    "an unknown filter": ({"filter": {"colour": "red"}}, {"filter.colour"}),
    "a limit of none": ({"filter": {}, "limit": 0}, {"limit"}),
    "a limit of many": ({"filter": {}, "limit": 1_001}, {"limit"}),
    "yes for true": ({"filter": {}, "dry_run": "yes"}, {"dry_run"}),
    "a long reason": ({"filter": {}, "reason": "x" * 501}, {"reason"}),
    "an unknown field": ({"filter": {}, "force": True}, {"force"}),
}


@pytest.mark.parametrize("action", ["redrive", "discard"])
def test_a_bad_request_is_refused_naming_the_field_and_nothing_is_done(desk: Desk, action: str) -> None:
    desk.park("one")

    for kind, (body, fields) in BAD_BODIES.items():
        answer = desk.post(action, {"reason": "for a test", **body})
        assert answer.status_code == 422, kind
        assert faults(answer) == fields, kind

    assert desk.states() == {"one": PARKED}
    assert desk.rows("operator_actions") == []


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_discarding_without_a_reason_is_refused_even_as_a_dry_run(desk: Desk, reason: str | None) -> None:
    given = {} if reason is None else {"reason": reason}

    assert faults(desk.post("discard", {"filter": {}, "dry_run": True, **given})) == {"reason"}


def test_an_act_without_idempotency_key_is_refused(desk: Desk) -> None:
    answer = desk.web.http.post("/api/finance/v1/operations/redrive", headers={**desk.headers}, json={"filter": {}})

    assert (answer.status_code, answer.get_json()["code"]) == (400, "idempotency.key_missing")


@pytest.mark.parametrize(("language", "word"), [("zh-CN", "事件"), ("en", "event")])
def test_a_refusal_is_told_in_the_callers_language(desk: Desk, language: str, word: str) -> None:
    answer = desk.post("redrive", {"events": named("nowhere")}, **{"Accept-Language": language})

    assert word in answer.get_json()["errors"][0]["message"]


# ------------------------------------------------------------ the audit
def test_every_act_is_on_record_with_who_and_why_and_is_told_newest_first(desk: Desk, clock: ManualClock) -> None:
    desk.park("one", "two")
    desk.post("discard", {"filter": {}, "reason": "a mistake of the sender"})
    clock.advance(1)
    platform = bearer(desk.assembly, scopes=["operations:write"], subject="county-platform")
    body = {"events": named("one"), "reason": "mended"}
    assert desk.web.post("/operations/redrive", headers=platform, json=body).status_code == 200

    first = desk.get("actions?limit=1")
    rest = desk.get(f"actions?cursor={first['next_cursor']}")
    items = first["items"] + rest["items"]

    told = [(each["actor"], each["door"], each["action"], each["event_id"], each["reason"]) for each in items]
    assert told[0] == ("county-platform", "api", "redrive", "one", "mended")
    assert set(told[1:]) == {
        ("account-7", "api", "discard", word, "a mistake of the sender") for word in ("one", "two")
    }
    assert [each["action"] for each in desk.get(f"actions?key={SOURCE}/one")["items"]] == ["redrive", "discard"]
    assert [each["action"] for each in desk.get(f"events/{SOURCE}/one")["actions"]] == ["redrive", "discard"]


def test_a_bad_key_or_cursor_of_the_audit_is_refused(desk: Desk) -> None:
    for query, field in (("key=nothing", "key"), ("cursor=WzEsMl0", "cursor")):
        answer = desk.web.get(f"/operations/actions?{query}", headers=desk.headers)
        assert (answer.status_code, faults(answer)) == (422, {field})


# ------------------------------------------------------------ rights
READS = ("state", "events", f"events/{SOURCE}/one", "actions")
ACTS = ("redrive", "discard")


def knock(desk: Desk, headers: dict[str, str]) -> dict[str, int]:
    """The status of every route for a caller; the acts as dry runs."""
    body = {"filter": {}, "dry_run": True, "reason": "knocking"}
    return {path: desk.web.get(f"/operations/{path}", headers=headers).status_code for path in READS} | {
        path: desk.web.post(f"/operations/{path}", headers=headers, json=body).status_code for path in ACTS
    }


@pytest.mark.parametrize("service", SERVICES)
def test_operators_and_nobody_else_have_the_handles_of_every_service(
    service: str, make_assembly: MakeAssembly, client: MakeClient
) -> None:
    assembly = make_assembly(service)
    desk = Desk(assembly, client(assembly))
    with assembly.begin() as work:
        row = {
            "source": SOURCE, "event_id": "one", "type": "alpha.word.said", "subject": "s", "sequence": 1,
            "state": PARKED, "attempts": 1, "body": body_of("one"), "received_at": work.now,
        }  # fmt: skip
        work.execute(inbox.insert().values(**row))

    # the operator, and platforms with a scope, each its own
    assert set(knock(desk, desk.headers).values()) == {200}
    read = knock(desk, bearer(assembly, scopes=["operations:read"]))
    assert read == {**dict.fromkeys(READS, 200), **dict.fromkeys(ACTS, 403)}
    write = knock(desk, bearer(assembly, scopes=["operations:write"]))
    assert write == {**dict.fromkeys(READS, 403), **dict.fromkeys(ACTS, 200)}

    # nobody else, whatever else they are
    for role in ROLES:
        assert set(knock(desk, bearer(assembly, roles=[role] if role else [], unit_id="unit-1")).values()) == {403}, (
            role
        )
    other = ["applications:write", "roster:read", "ballots:read", "timeline:read", "subscriptions:write", "events:read"]
    assert set(knock(desk, bearer(assembly, scopes=other)).values()) == {403}
    assert set(knock(desk, bearer(assembly, scopes=["operator", "operations"])).values()) == {403}
    assert set(knock(desk, bearer(assembly, roles=["operations:write", "operations:read"])).values()) == {403}
    assert set(knock(desk, {}).values()) == {401}
    assert desk.rows("operator_actions") == []
