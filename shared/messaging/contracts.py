"""What a service says and hears: the types of its `events.py`.

A publisher's schema is strict: a field that the contract does not name cannot be published. A consumer declares its
own view with the fields it uses and ignores the rest, so that a publisher may add fields without asking anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, ValidationError

from shared.errors import Fault, Invalid
from shared.messaging.envelope import Event
from shared.persistence.unit_of_work import UnitOfWork

#: Key in CONSUMES that stands for every event.
EVERYTHING = "#"

#: A service's answer to an event. Raises Unavailable to be called again later, another Refusal to be parked.
Reaction = Callable[[UnitOfWork, Event], None]


class PublishedSchema(Schema):
    """Base of what a service publishes."""

    class Meta:
        """Unknown fields are refused."""

        unknown = RAISE


class ConsumedSchema(Schema):
    """Base of a consumer's view."""

    class Meta:
        """Unknown fields are ignored."""

        unknown = EXCLUDE


class AnyData(Schema):
    """The view of a consumer that keeps events as they are."""

    class Meta:
        """Everything passes."""

        unknown = INCLUDE


@dataclass(frozen=True)
class Published:
    """An event a service publishes. `major` changes only when the meaning does; then both are published for a while."""

    schema: type[Schema]
    summary: str
    article: str | None = None
    major: int = 1


@dataclass(frozen=True)
class Consumed:
    """An event a service hears, with the view it takes of it."""

    schema: type[Schema]
    majors: tuple[int, ...] = (1,)


@lru_cache(maxsize=512)
def _instance(schema: type[Schema]) -> Schema:
    return schema()


def check_published(publishes: Mapping[str, Published], event_type: str, data: Mapping[str, Any]) -> Published:
    """The contract of the event; a breach is a bug of the publisher, hence an assertion."""
    assert event_type in publishes, f"{event_type} is not in PUBLISHES"
    contract = publishes[event_type]
    faults = _instance(contract.schema).validate(data)
    assert not faults, f"{event_type} breaks its contract: {faults}"
    return contract


def take_view(consumes: Mapping[str, Consumed], event: Event) -> Event:
    """The event with the consumer's view of its data. Raises Invalid when it can never be understood."""
    contract = consumes.get(event.type) or consumes.get(EVERYTHING)
    if contract is None:
        raise Invalid("event.unknown_type", type=event.type)
    if event.type in consumes and event.major not in contract.majors:
        raise Invalid("event.unknown_major", type=event.type, major=event.major)
    try:
        data = _instance(contract.schema).load(event.data)
    except ValidationError as error:
        raise Invalid("event.breaks_view", faults=_faults(error)) from error
    return replace(event, data=data)


def _faults(error: ValidationError) -> tuple[Fault, ...]:
    messages = dict(error.messages) if isinstance(error.messages, dict) else {"data": error.messages}
    return tuple(Fault("event.breaks_view", str(name), {"why": str(why)[:200]}) for name, why in messages.items())


def json_schema(schema: type[Schema], event_type: str, major: int) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event's data."""
    plugin = MarshmallowPlugin(schema_name_resolver=lambda _schema: "")
    APISpec(title=event_type, version=str(major), openapi_version="3.1.0", plugins=[plugin])
    assert plugin.converter is not None
    described: dict[str, Any] = plugin.converter.schema2jsonschema(_instance(schema))  # type: ignore[no-untyped-call]  # the library is half typed
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:lianmeng:schema:{event_type}:{major}",
        "title": event_type,
        **described,
    }
