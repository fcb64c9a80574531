"""docs/asyncapi.yaml: valid by the official schema, complete, and true of what goes over the wire."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
import yaml
from jsonschema import Draft7Validator

from shared.errors import Invalid
from shared.messaging.contracts import EVERYTHING
from shared.messaging.envelope import encode, parse
from shared.messaging.rabbitmq.properties import properties_of
from shared.messaging.transport import Message
from tests.contracts.samples import SAMPLES, SERVICES, Sample, every_sample

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text("utf-8"))
OFFICIAL = Draft7Validator(json.loads((Path(__file__).parent / "asyncapi" / "schema-3.0.0.json").read_text("utf-8")))
PUBLISHED = {f"{name}.v{each.major}" for service in SERVICES for name, each in service.publishes.items()}


def resolve(reference: str) -> Any:
    """What a `$ref` of the document points to."""
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(node: Any) -> Iterator[str]:
    """Every `$ref` below a node."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def payload_of(sample: Sample) -> Draft7Validator:
    """Judges a whole event by the document; AsyncAPI's schemas are JSON Schema draft 7."""
    message = DOCUMENT["components"]["messages"][f"{sample.type}.v{sample.major}"]
    return Draft7Validator({**message["payload"], "components": DOCUMENT["components"]})


# ------------------------------------------------------------------ the document
def test_it_is_valid_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert [error.message[:300] for error in OFFICIAL.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    ("path", "nonsense"),
    [
        (("channels", "finance.inbox", "bindings", "amqp", "is"), "exchange"),
        (("channels", "finance.entry.posted", "bindings", "amqp", "exchange", "type"), "subject"),
        (("operations", "finance.receives", "action"), "publish"),
        (("operations", "finance.sends.finance.entry.posted", "bindings", "amqp", "deliveryMode"), 3),
        (("components", "messages", "finance.entry.posted.v1", "bindings", "amqp", "messageType"), 1),
    ],
)
def test_the_official_schema_notices_nonsense_in_a_binding(path: tuple[str, ...], nonsense: object) -> None:
    broken = copy.deepcopy(DOCUMENT)
    node = broken
    for name in path[:-1]:
        node = node[name]
    assert path[-1] in node

    node[path[-1]] = nonsense

    assert not OFFICIAL.is_valid(broken)


def test_an_event_goes_out_with_the_headers_that_are_described() -> None:
    described = Draft7Validator(DOCUMENT["components"]["schemas"]["headers"])
    encoded = b"".join(properties_of(Message("e-1", "finance.entry.posted", "账户-1", b"")).encode())

    headers = pika.BasicProperties().decode(encoded).headers

    assert described.is_valid(headers)
    assert headers == {"slot": zlib.crc32("账户-1".encode()) % 16}
    assert not described.is_valid({"slot": 16})
    assert not described.is_valid({})


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))

    assert len(found) > len(PUBLISHED)
    assert all(resolve(reference) for reference in found)


def test_it_has_every_type_with_its_version_and_nothing_else() -> None:
    assert set(DOCUMENT["components"]["messages"]) == PUBLISHED


def test_every_publisher_sends_what_its_manifest_says() -> None:
    for service in SERVICES:
        sending = [
            each["channel"]["$ref"].rpartition("/")[2]
            for each in DOCUMENT["operations"].values()
            if each["action"] == "send" and each["tags"] == [{"name": service.name}]
        ]
        assert sorted(sending) == sorted(service.publishes)


def test_every_consumer_receives_what_its_queue_is_bound_to() -> None:
    for service in SERVICES:
        receiving = DOCUMENT["operations"][f"{service.name}.receives"]
        types = {resolve(message["$ref"])["$ref"].rpartition("/")[2] for message in receiving["messages"]}

        heard = {
            f"{name}.v{each.major}"
            for other in SERVICES
            for name, each in other.publishes.items()
            if {name, EVERYTHING} & set(service.consumes)
        }
        assert types == heard


# ------------------------------------------------------------------ true of the wire
@every_sample
def test_a_sample_is_what_the_document_promises(sample: Sample) -> None:
    assert [error.message for error in payload_of(sample).iter_errors(sample.envelope)] == []


@every_sample
def test_the_document_lets_a_publisher_say_more(sample: Sample) -> None:
    richer = {**sample.envelope, "addedextension": "x"}
    richer["data"] = {**richer["data"], "added_in_a_later_version": {"deep": [1, 2]}}

    assert payload_of(sample).is_valid(richer)


@every_sample
def test_the_document_and_the_reader_refuse_the_same_envelopes(sample: Sample) -> None:
    for what, broken in spoiled(sample.envelope):
        assert not payload_of(sample).is_valid(broken), f"{what}: the document lets it pass"
        with pytest.raises(Invalid):
            parse(encode(broken).encode())


def spoiled(envelope: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The envelope with one thing wrong at a time."""
    needed = (
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "dataschema",
        "sequence",
        "correlationid",
        "data",
    )
    for name in needed:
        yield f"without {name}", {key: value for key, value in envelope.items() if key != name}
        yield f"{name} is a number", {**envelope, name: 1}
    yield "an empty id", {**envelope, "id": ""}
    yield "a sequence with a sign", {**envelope, "sequence": "-000000001"}
    yield "somebody else's source", {**envelope, "source": "urn:lianmeng:stranger"}
    yield "a schema of another type", {**envelope, "dataschema": "urn:lianmeng:schema:a.b.c:1"}


def test_there_are_samples_of_everything_in_the_document() -> None:
    assert {f"{sample.type}.v{sample.major}" for sample in SAMPLES} >= set(DOCUMENT["components"]["messages"])
