"""The AsyncAPI 3.0 document of the bus: what is said, by whom, where it arrives. Built from the manifests alone.

It is written for a receiver, so it promises what a receiver may count on: a publisher's own schema refuses fields that
it does not know, the document does not, because fields may be added without asking anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.messaging.contracts import EVERYTHING, Published, json_schema
from shared.messaging.envelope import SEQUENCE_DIGITS, SPEC_VERSION, schema_of, source_of
from shared.messaging.rabbitmq.layout import SLOT_HEADER, SLOTS
from shared.messaging.rabbitmq.link import EXCHANGE, QUEUE_ARGUMENTS
from shared.messaging.transport import queue_of
from shared.runtime.service import Service

ASYNCAPI_VERSION = "3.0.0"
#: Version of the AMQP 0-9-1 bindings that the document follows.
BINDING_VERSION = "0.3.0"
VIRTUAL_HOST = "lianmeng"
CONTENT_TYPE = "application/cloudevents+json"
PERSISTENT = 2
_TEXT = {"type": "string", "minLength": 1, "maxLength": 200}


def asyncapi_document(services: Sequence[Service], version: str) -> dict[str, Any]:
    """The whole document; `version` is the product's."""
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "id": "urn:lianmeng:events",
        "info": _info(version),
        "defaultContentType": CONTENT_TYPE,
        "servers": {"broker": _server()},
        "channels": {**_channels_of_types(services), **_channels_of_queues(services)},
        "operations": {**_sending(services), **_receiving(services)},
        "components": {
            "messages": {_name(*each): _message(*each) for each in _said(services)},
            "schemas": {
                "envelope": _envelope(),
                "headers": _headers(),
                **{_name(*each): _data(*each) for each in _said(services)},
            },
            "securitySchemes": {
                "user": {
                    "type": "userPassword",
                    "description": "A service may publish its own types and read its own queue; a subscriber may bind "
                    "and read queues whose names begin with its own, and publish nothing.",
                }
            },
        },
    }


def _info(version: str) -> dict[str, Any]:
    return {
        "title": "Lianmeng: the events of an alliance",
        "version": version,
        "description": (
            "Everything that happens in an alliance, on one topic exchange. The routing key is the event's type. "
            "Delivery is at least once: `id` tells copies. Order holds per `subject` and `source`: `sequence` counts "
            "from 1. Fields may be added at any time; ignore those you do not know. A change of meaning is a new major "
            "version in `dataschema`."
        ),
        "license": {"name": "Apache-2.0"},
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{host}:{port}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "pathname": f"/{VIRTUAL_HOST}",
        "description": "RabbitMQ. Its operator tells the address and makes the user.",
        "variables": {"host": {"default": "broker"}, "port": {"default": "5672"}},
        "security": [{"$ref": "#/components/securitySchemes/user"}],
    }


# ------------------------------------------------------------------ where: channels
def _channels_of_types(services: Sequence[Service]) -> dict[str, Any]:
    """One per type: the exchange, and the type as its routing key."""
    exchange = {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False, "vhost": VIRTUAL_HOST}
    return {
        event_type: {
            "address": event_type,
            "description": contract.summary,
            "messages": _messages([(event_type, contract)]),
            "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": BINDING_VERSION}},
        }
        for event_type, contract in _said(services)
    }


def _channels_of_queues(services: Sequence[Service]) -> dict[str, Any]:
    """One per service that hears anything: its queue."""
    return {
        queue_of(service.name): {
            "address": queue_of(service.name),
            "description": f"What {service.name} hears. Its operator may split it into partitions of its subjects.",
            "messages": _messages(_heard(service, services)),
            "bindings": {
                "amqp": {
                    "is": "queue",
                    "queue": {
                        "name": queue_of(service.name),
                        "durable": True,
                        "exclusive": False,
                        "autoDelete": False,
                        "vhost": VIRTUAL_HOST,
                    },
                    "bindingVersion": BINDING_VERSION,
                    "x-arguments": dict(QUEUE_ARGUMENTS),
                    "x-bound-to": {"exchange": EXCHANGE, "routingKeys": sorted(service.consumes)},
                }
            },
        }
        for service in services
        if service.consumes
    }


def _messages(contracts: Sequence[tuple[str, Published]]) -> dict[str, Any]:
    return {_name(*each): {"$ref": f"#/components/messages/{_name(*each)}"} for each in contracts}


# ------------------------------------------------------------------ who: operations
def _sending(services: Sequence[Service]) -> dict[str, Any]:
    return {
        f"{service.name}.sends.{event_type}": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{event_type}"},
            "summary": contract.summary,
            "tags": [{"name": service.name}],
            "messages": [_message_in(event_type, (event_type, contract))],
            "bindings": {
                "amqp": {"deliveryMode": PERSISTENT, "mandatory": True, "bindingVersion": BINDING_VERSION},
            },
        }
        for service in services
        for event_type, contract in sorted(service.publishes.items())
    }


def _receiving(services: Sequence[Service]) -> dict[str, Any]:
    return {
        f"{service.name}.receives": {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{queue_of(service.name)}"},
            "summary": f"{service.name} takes each event once, in its inbox, and reacts.",
            "tags": [{"name": service.name}],
            "messages": [_message_in(queue_of(service.name), each) for each in _heard(service, services)],
            "bindings": {"amqp": {"ack": True, "bindingVersion": BINDING_VERSION}},
        }
        for service in services
        if service.consumes
    }


def _message_in(channel: str, contract: tuple[str, Published]) -> dict[str, str]:
    return {"$ref": f"#/channels/{channel}/messages/{_name(*contract)}"}


# ------------------------------------------------------------------ what: messages and schemas
def _said(services: Sequence[Service]) -> list[tuple[str, Published]]:
    return [each for service in services for each in sorted(service.publishes.items())]


def _heard(service: Service, services: Sequence[Service]) -> list[tuple[str, Published]]:
    return [
        (event_type, contract)
        for event_type, contract in _said(services)
        if event_type in service.consumes or EVERYTHING in service.consumes
    ]


def _name(event_type: str, contract: Published) -> str:
    return f"{event_type}.v{contract.major}"


def _message(event_type: str, contract: Published) -> dict[str, Any]:
    article = f" Article {contract.article} of the charter." if contract.article else ""
    return {
        "name": event_type,
        "title": f"{event_type}, version {contract.major}",
        "summary": f"{contract.summary.rstrip('.')}.{article}",
        "contentType": CONTENT_TYPE,
        "headers": {"$ref": "#/components/schemas/headers"},
        "correlationId": {"location": "$message.payload#/correlationid", "description": "The story it belongs to."},
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/envelope"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": event_type},
                        "source": {"const": source_of(event_type.partition(".")[0])},
                        "dataschema": {"const": schema_of(event_type, contract.major)},
                        "data": {"$ref": f"#/components/schemas/{_name(event_type, contract)}"},
                    },
                },
            ]
        },
        "bindings": {"amqp": {"messageType": event_type, "bindingVersion": BINDING_VERSION}},
    }


def _data(event_type: str, contract: Published) -> dict[str, Any]:
    described: dict[str, Any] = _tolerant(json_schema(contract.schema, event_type, contract.major))
    # The document has one dialect for all its schemas, and finds them by place.
    return {name: value for name, value in described.items() if name not in ("$schema", "$id")}


def _tolerant(schema: Any) -> Any:
    """The schema without its refusals of unknown fields, at every depth."""
    if isinstance(schema, Mapping):
        return {
            name: _tolerant(value)
            for name, value in schema.items()
            if not (name == "additionalProperties" and value is False)
        }
    return [_tolerant(each) for each in schema] if isinstance(schema, list) else schema


def _headers() -> dict[str, Any]:
    return {
        "title": "AMQP headers",
        "type": "object",
        "required": [SLOT_HEADER],
        "properties": {
            SLOT_HEADER: {
                "type": "integer",
                "minimum": 0,
                "maximum": SLOTS - 1,
                "description": f"CRC-32 of the subject's UTF-8, modulo {SLOTS}: the same for all events of a subject. A receiver that "
                "shares events out over several queues by it, with a headers exchange, keeps the order of each subject.",
            }
        },
    }


def _envelope() -> dict[str, Any]:
    """CloudEvents 1.0 in structured JSON, as `envelope.parse` reads it."""
    instant = {"type": "string", "format": "date-time"}
    texts = {name: dict(_TEXT) for name in ("id", "source", "type", "subject", "correlationid")}
    return {
        "title": "CloudEvents 1.0, structured JSON",
        "type": "object",
        "required": ["specversion", *texts, "time", "dataschema", "sequence", "data"],
        "properties": {
            "specversion": {"const": SPEC_VERSION},
            **texts,
            "time": instant,
            "datacontenttype": {"const": "application/json"},
            "dataschema": {"type": "string", "pattern": "^urn:lianmeng:schema:[a-z_.]+:[0-9]{1,4}$"},
            "sequence": {
                "type": "string",
                "pattern": "^[0-9]{1,18}$",
                "description": f"Counts the subject's events from 1; {SEQUENCE_DIGITS} digits, so that text sorts.",
            },
            "causationid": {**_TEXT, "description": "The id of the event that led to this one."},
            "traceparent": {"type": "string", "description": "W3C Trace Context."},
            "article": {**_TEXT, "description": "The charter's article that governs the step."},
            "data": {"type": "object"},
        },
    }
