"""Contracts: strict when writing, tolerant when reading."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import jsonschema
import pytest
from marshmallow import fields

from shared.errors import Invalid
from shared.messaging.contracts import (
    AnyData,
    Consumed,
    ConsumedSchema,
    Published,
    PublishedSchema,
    check_published,
    json_schema,
    take_view,
)
from shared.messaging.envelope import build, parse
from shared.persistence.unit_of_work import Cause


class Matter(PublishedSchema):
    kind = fields.String(required=True)


class Closed(PublishedSchema):
    ballot_id = fields.String(required=True)
    yes = fields.Integer(required=True, strict=True)
    matter = fields.Nested(Matter, required=True)


class ClosedView(ConsumedSchema):
    ballot_id = fields.String(required=True)


PUBLISHES = {"meetings.ballot.closed": Published(Closed, "closed", article="6(2)")}
GOOD = {"ballot_id": "b", "yes": 4, "matter": {"kind": "admission"}}


def an_event(data, *, event_type="meetings.ballot.closed", major=1):
    return parse(
        json.dumps(
            build(
                event_id="e", event_type=event_type, major=major, service=event_type.split(".")[0], subject="b", sequence=1,
                time=datetime(2026, 1, 1, tzinfo=UTC), data=data, cause=Cause("c"), article=None,
            )
        ).encode()
    )  # fmt: skip


def test_what_the_contract_names_may_be_published() -> None:
    assert check_published(PUBLISHES, "meetings.ballot.closed", GOOD).article == "6(2)"


@pytest.mark.parametrize(
    "data",
    [
        {**GOOD, "voter": "unit-7"},
        {name: value for name, value in GOOD.items() if name != "yes"},
        {**GOOD, "yes": "4"},
        {**GOOD, "matter": {"kind": "admission", "more": 1}},
    ],
    ids=["unknown field", "missing field", "wrong type", "unknown nested field"],
)
def test_a_breach_of_the_contract_is_a_bug_of_the_publisher(data) -> None:
    with pytest.raises(AssertionError):
        check_published(PUBLISHES, "meetings.ballot.closed", data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, json_schema(Closed, "meetings.ballot.closed", 1))


def test_a_type_without_contract_cannot_be_published() -> None:
    with pytest.raises(AssertionError):
        check_published(PUBLISHES, "meetings.ballot.opened", GOOD)


def test_a_consumer_ignores_the_fields_it_does_not_use() -> None:
    event = take_view({"meetings.ballot.closed": Consumed(ClosedView)}, an_event(GOOD))

    assert event.data == {"ballot_id": "b"}


def test_a_consumer_of_everything_gets_data_as_they_are_even_of_types_it_does_not_know() -> None:
    event = take_view({"#": Consumed(AnyData)}, an_event({"x": [1]}, event_type="finance.fund.opened", major=9))

    assert event.data == {"x": [1]}


@pytest.mark.parametrize(
    ("event", "code", "params"),
    [
        (
            an_event(GOOD, event_type="meetings.ballot.opened"),
            "event.unknown_type",
            {"type": "meetings.ballot.opened"},
        ),
        (an_event(GOOD, major=2), "event.unknown_major", {"type": "meetings.ballot.closed", "major": 2}),
        (an_event({"yes": 4}), "event.breaks_view", {}),
    ],
)
def test_what_a_consumer_can_never_understand_is_refused(event, code, params) -> None:
    with pytest.raises(Invalid) as refused:
        take_view({"meetings.ballot.closed": Consumed(ClosedView)}, event)

    assert (refused.value.code, refused.value.params) == (code, params)


def test_every_field_that_breaks_a_view_is_named_with_what_is_wrong() -> None:
    consumes = {"meetings.ballot.closed": Consumed(Closed)}

    with pytest.raises(Invalid) as refused:
        take_view(consumes, an_event({"yes": "4", "matter": {"kind": "admission"}}))

    faults = {fault.field: (fault.code, fault.params) for fault in refused.value.faults}
    assert faults == {
        "ballot_id": ("event.breaks_view", {"why": "['Missing data for required field.']"}),
        "yes": ("event.breaks_view", {"why": "['Not a valid integer.']"}),
    }


def test_what_is_wrong_with_a_field_is_told_in_two_hundred_characters() -> None:
    class Wordy(ConsumedSchema):
        word = fields.String(required=True, error_messages={"required": "x" * 500})

    with pytest.raises(Invalid) as refused:
        take_view({"meetings.ballot.closed": Consumed(Wordy)}, an_event({}))

    [fault] = refused.value.faults
    assert len(str(fault.params["why"])) == 200


def test_the_json_schema_of_an_event_says_what_it_is_the_schema_of() -> None:
    schema = json_schema(ClosedView, "meetings.ballot.closed", 2)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "urn:lianmeng:schema:meetings.ballot.closed:2"
    assert schema["title"] == "meetings.ballot.closed"
    assert schema["required"] == ["ballot_id"]
    assert schema["properties"] == {"ballot_id": {"type": "string"}}
