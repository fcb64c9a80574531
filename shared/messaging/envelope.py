"""The envelope of every event: CloudEvents 1.0 in structured JSON.

`type` is `<service>.<noun>.<past participle>` and also the routing key; `subject` is the id of the thing it happened
to; `sequence` counts the subject's events from 1 (CloudEvents' sequence extension: fixed width, so that comparing text
compares numbers); `correlationid` names the story, `causationid` the event that led to this one; `article` the
charter's article that governs the step; `dataschema` carries the major version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.errors import Invalid
from shared.persistence.unit_of_work import Cause
from shared.runtime.clock import rfc3339

SPEC_VERSION = "1.0"
#: Digits of the sequence; ten billion events of one subject.
SEQUENCE_DIGITS = 10
#: Largest envelope we read, in bytes. Ours are about 1 kB; RabbitMQ itself would take 16 MiB.
ENVELOPE_BYTES_MAX = 262_144
_SCHEMA = re.compile(r"urn:lianmeng:schema:([a-z_.]+):(\d{1,4})")
_TYPE = re.compile(r"[a-z_]+(\.[a-z_]+){2}")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True)
class Event:
    """One thing that happened, as a reaction gets it; `data` is validated against the consumer's own view."""

    id: str
    type: str
    source: str
    subject: str
    sequence: int
    time: datetime
    correlation_id: str
    causation_id: str | None
    article: str | None
    traceparent: str | None
    major: int
    data: Mapping[str, Any] = field(repr=False)
    envelope: Mapping[str, Any] = field(repr=False)

    def as_cause(self) -> Cause:
        """The cause of whatever a reaction to this event does."""
        return Cause(correlation_id=self.correlation_id, causation_id=self.id, traceparent=self.traceparent)


def source_of(service: str) -> str:
    """The `source` under which a service publishes."""
    return f"urn:lianmeng:{service}"


def schema_of(event_type: str, major: int) -> str:
    """The `dataschema` of a type's major version."""
    return f"urn:lianmeng:schema:{event_type}:{major}"


def build(
    *,
    event_id: str,
    event_type: str,
    major: int,
    service: str,
    subject: str,
    sequence: int,
    time: datetime,
    data: Mapping[str, Any],
    cause: Cause,
    article: str | None,
) -> dict[str, Any]:
    """A complete envelope as a JSON object."""
    envelope: dict[str, Any] = {
        "specversion": SPEC_VERSION,
        "id": event_id,
        "source": source_of(service),
        "type": event_type,
        "subject": subject,
        "time": rfc3339(time),
        "datacontenttype": "application/json",
        "dataschema": schema_of(event_type, major),
        "sequence": f"{sequence:0{SEQUENCE_DIGITS}d}",
        "correlationid": cause.correlation_id,
        "data": dict(data),
    }
    optional = {"causationid": cause.causation_id, "traceparent": cause.traceparent, "article": article}
    return envelope | {name: value for name, value in optional.items() if value is not None}


def encode(envelope: Mapping[str, Any]) -> str:
    """The text that is stored in the outbox and published, byte for byte the same."""
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


#: Refuses NaN and Infinity, which are not JSON. Made once: making it takes as long as reading a short envelope.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def read_json(body: bytes) -> Any:
    """The JSON value (RFC 8259) that the bytes spell. Raises ValueError, or RecursionError where it nests too deep."""
    return _DECODER.decode(body.decode("utf-8"))


def parse(body: bytes) -> Event:
    """Read an envelope. Raises Invalid with the first thing wrong; `data` is not checked against a view yet."""
    if len(body) > ENVELOPE_BYTES_MAX:
        raise Invalid("event.too_large", bytes=len(body))
    try:
        envelope = read_json(body)
    except (ValueError, RecursionError) as error:
        raise Invalid("event.not_json") from error
    if not isinstance(envelope, dict):
        raise Invalid("event.not_an_object")
    if envelope.get("specversion") != SPEC_VERSION:
        raise Invalid("event.wrong_specversion", field="specversion")
    texts = {name: _text(envelope, name) for name in ("id", "source", "type", "subject", "correlationid")}
    if not _TYPE.fullmatch(texts["type"]):
        raise Invalid("event.bad_attribute", field="type")
    if texts["source"] != source_of(texts["type"].partition(".")[0]):
        # A type belongs to the service its name begins with; anybody else who sends it is lying or mistaken.
        raise Invalid("event.foreign_source", field="source")
    if not isinstance(envelope.get("data"), dict):
        raise Invalid("event.bad_attribute", field="data")
    return Event(
        id=texts["id"],
        type=texts["type"],
        source=texts["source"],
        subject=texts["subject"],
        sequence=_sequence(envelope),
        time=_time(envelope),
        correlation_id=texts["correlationid"],
        causation_id=_optional(envelope, "causationid"),
        article=_optional(envelope, "article"),
        traceparent=_traceparent(envelope),
        major=_major(envelope, texts["type"]),
        data=envelope["data"],
        envelope=envelope,
    )


def _text(envelope: Mapping[str, Any], name: str) -> str:
    value = envelope.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 200 or not _is_storable(value):
        raise Invalid("event.bad_attribute", field=name)
    return value


def _is_storable(text: str) -> bool:
    # JSON can spell half a surrogate pair, and a database can store neither that nor NUL.
    if text.isascii():
        return "\x00" not in text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def _optional(envelope: Mapping[str, Any], name: str) -> str | None:
    return _text(envelope, name) if name in envelope else None


def _sequence(envelope: Mapping[str, Any]) -> int:
    text = _text(envelope, "sequence")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Invalid("event.bad_attribute", field="sequence")
    return int(text)


def _time(envelope: Mapping[str, Any]) -> datetime:
    try:
        instant = datetime.fromisoformat(_text(envelope, "time"))
    except ValueError as error:
        raise Invalid("event.bad_attribute", field="time") from error
    if instant.tzinfo is None:
        raise Invalid("event.bad_attribute", field="time")
    return instant


def _traceparent(envelope: Mapping[str, Any]) -> str | None:
    # Tracing is a help, not a promise: a malformed one is dropped (W3C Trace Context, 3.2.2.3), the event is kept.
    value = envelope.get("traceparent")
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


def _major(envelope: Mapping[str, Any], event_type: str) -> int:
    match = _SCHEMA.fullmatch(_text(envelope, "dataschema"))
    if match is None or match[1] != event_type:
        raise Invalid("event.bad_attribute", field="dataschema")
    return int(match[2])
