"""Every edge between two services: what one says, the other understands, now and as it was said before."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator

from shared.messaging.contracts import EVERYTHING, json_schema, take_view
from shared.messaging.envelope import parse, schema_of, source_of
from shared.runtime.service import Service
from tests.contracts.samples import PUBLISHED, SAMPLES, SERVICES, Sample, every_sample, view_of

EDGES = [
    pytest.param(service, sample, id=f"{service.name}-{sample.name.removesuffix('.json')}")
    for service in SERVICES
    for sample in SAMPLES
    if view_of(service, sample.type)
]
every_edge = pytest.mark.parametrize(("service", "sample"), EDGES)


def schema_of_sample(sample: Sample) -> dict[str, Any]:
    """The JSON Schema of the sample's type, as we publish it."""
    return json_schema(PUBLISHED[sample.type].schema, sample.type, sample.major)


# ------------------------------------------------------------------ the set of events
def test_every_published_type_has_a_golden_sample() -> None:
    wanted = {(name, contract.major) for name, contract in PUBLISHED.items()}

    missing = wanted - {(sample.type, sample.major) for sample in SAMPLES}

    assert not missing, "copy an envelope from a real outbox into tests/contracts/golden"


def test_every_type_that_is_heard_is_published_by_somebody() -> None:
    heard = {event_type for service in SERVICES for event_type in service.consumes} - {EVERYTHING}

    assert heard <= set(PUBLISHED)


def test_every_published_type_is_heard_by_somebody() -> None:
    for name in PUBLISHED:
        assert any(view_of(service, name) for service in SERVICES), f"nobody hears {name}"


def test_everything_published_is_archived() -> None:
    [archivist] = [service for service in SERVICES if EVERYTHING in service.consumes]

    assert archivist.name == "notifications"


def test_a_service_publishes_under_its_own_name_only() -> None:
    for service in SERVICES:
        assert {name.partition(".")[0] for name in service.publishes} <= {service.name}


# ------------------------------------------------------------------ each sample
@every_sample
def test_a_sample_is_a_cloudevent_to_the_cloudevents_sdk(sample: Sample) -> None:
    read = JSONFormat().read(CloudEvent, sample.body)

    assert read.get_type() == sample.type
    assert read.get_source() == source_of(sample.type.partition(".")[0])
    assert read.get_dataschema() == schema_of(sample.type, sample.major)
    assert read.get_subject() == sample.envelope["subject"]
    assert read.get_extension("correlationid") == sample.envelope["correlationid"]
    assert read.get_data() == sample.data
    written = json.loads(JSONFormat().write(read))
    assert {name: written[name] for name in ("id", "type", "data")} == {
        name: sample.envelope[name] for name in ("id", "type", "data")
    }


@every_sample
def test_a_sample_validates_against_the_json_schema_of_its_type(sample: Sample) -> None:
    schema = schema_of_sample(sample)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)

    assert [error.message for error in validator.iter_errors(sample.data)] == []


@every_sample
def test_the_publisher_could_still_say_what_it_said(sample: Sample) -> None:
    contract = PUBLISHED[sample.type]

    assert contract.schema().validate(sample.data) == {}


@every_sample
def test_json_schema_and_publisher_agree_on_what_breaks_the_contract(sample: Sample) -> None:
    schema = PUBLISHED[sample.type].schema()
    validator = Draft202012Validator(schema_of_sample(sample))
    for what, broken in spoiled(sample.data):
        ours, theirs = bool(schema.validate(broken)), not validator.is_valid(broken)
        assert ours == theirs, f"{what}: the publisher says {ours}, the JSON Schema {theirs}"


def spoiled(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The data with one thing wrong at a time: each field missing or of another type, and a field too many."""
    yield "a field too many", {**data, "added_by_mistake": 1}
    for name in data:
        without = copy.deepcopy(data)
        del without[name]
        yield f"without {name}", without
        yield f"{name} is an object in a list", {**data, name: [{"a": 1}]}


# ------------------------------------------------------------------ each edge
@every_edge
def test_the_consumers_view_accepts_the_sample(service: Service, sample: Sample) -> None:
    event = take_view(service.consumes, parse(sample.body))

    assert event.type == sample.type
    assert event.correlation_id == sample.envelope["correlationid"]


@every_edge
def test_the_consumers_view_accepts_a_publisher_that_says_more_than_before(service: Service, sample: Sample) -> None:
    richer = sample.envelope
    richer["data"] = {**richer["data"], "added_in_a_later_version": {"deep": [1, 2]}}
    richer["addedextension"] = "x"

    take_view(service.consumes, parse(json.dumps(richer).encode()))


@every_edge
def test_a_view_demands_nothing_that_the_publisher_may_leave_out(service: Service, sample: Sample) -> None:
    """Required in the view means required in the contract, or a legal event would be parked."""
    contract = PUBLISHED[sample.type].schema()
    view = view_of(service, sample.type)
    assert view is not None
    demanded = {name for name, field in view.schema().fields.items() if field.required}

    promised = {field.data_key or name for name, field in contract.fields.items() if field.required}

    assert demanded <= promised
