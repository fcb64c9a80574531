"""The envelope: what is written can be read, and what cannot be understood is refused with the field at fault."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Invalid
from shared.messaging.envelope import (
    ENVELOPE_BYTES_MAX,
    build,
    encode,
    parse,
    read_json,
    schema_of,
    source_of,
)
from shared.persistence.unit_of_work import Cause

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def an_envelope(**changes):
    built = build(
        event_id="e-1",
        event_type="membership.member.admitted",
        major=1,
        service="membership",
        subject="m-1",
        sequence=7,
        time=NOON,
        data={"unit_name": "攸县中小企业服务中心"},
        cause=Cause("story-1", "e-0", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
        article="6(3)",
    )
    return {name: value for name, value in (built | changes).items() if value is not ...}


def verdict(body: bytes) -> str:
    """`read`, or the code of the refusal; any other exception fails the test."""
    try:
        parse(body)
    except Invalid as refused:
        return refused.code
    return "read"


def test_an_envelope_reads_back_as_it_was_written() -> None:
    event = parse(encode(an_envelope()).encode())

    assert (event.id, event.type, event.subject, event.sequence) == ("e-1", "membership.member.admitted", "m-1", 7)
    assert event.time == NOON
    assert (event.correlation_id, event.causation_id, event.article, event.major) == ("story-1", "e-0", "6(3)", 1)
    assert event.data == {"unit_name": "攸县中小企业服务中心"}
    assert event.traceparent == an_envelope()["traceparent"]
    assert event.as_cause() == Cause("story-1", "e-1", event.traceparent)


def test_an_envelope_has_the_attributes_of_cloudevents_and_ours() -> None:
    assert an_envelope() == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "urn:lianmeng:membership",
        "type": "membership.member.admitted",
        "subject": "m-1",
        "time": "2026-11-22T12:00:00.000000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:lianmeng:schema:membership.member.admitted:1",
        "sequence": "0000000007",
        "correlationid": "story-1",
        "data": {"unit_name": "攸县中小企业服务中心"},
        "causationid": "e-0",
        "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "article": "6(3)",
    }
    assert source_of("membership") == an_envelope()["source"]
    assert schema_of("membership.member.admitted", 1) == an_envelope()["dataschema"]


def test_what_is_not_known_is_left_out_and_reads_as_nothing() -> None:
    built = build(
        event_id="e", event_type="a.b.c", major=12, service="a", subject="s", sequence=1, time=NOON, data={},
        cause=Cause("c"), article=None,
    )  # fmt: skip
    assert not {"causationid", "traceparent", "article"} & set(built)

    event = parse(encode(built).encode())
    assert (event.causation_id, event.traceparent, event.article) == (None, None, None)
    assert (event.source, event.major, event.data) == ("urn:lianmeng:a", 12, {})
    assert event.envelope == built


def test_an_envelope_is_written_short_and_as_it_is_spoken() -> None:
    assert encode({"a": "攸县", "b": [1, 2]}) == '{"a":"攸县","b":[1,2]}'


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_of_json_is_neither_written_nor_read(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode({"a": number})
    with pytest.raises(ValueError, match=r"NaN|Infinity"):
        read_json(json.dumps({"a": number}).encode())


def test_sequences_sort_as_text_as_they_do_as_numbers() -> None:
    texts = [an_envelope()["sequence"]] + [
        build(
            event_id="e", event_type="a.b.c", major=1, service="a", subject="s", sequence=number, time=NOON, data={},
            cause=Cause("c"), article=None,
        )["sequence"]
        for number in (9, 10, 99, 100)
    ]  # fmt: skip
    assert texts == sorted(texts)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"specversion": "0.3"}, "event.wrong_specversion", "specversion"),
        ({"id": ...}, "event.bad_attribute", "id"),
        ({"id": 5}, "event.bad_attribute", "id"),
        ({"id": ""}, "event.bad_attribute", "id"),
        ({"id": "x" * 201}, "event.bad_attribute", "id"),
        ({"subject": "nul\x00"}, "event.bad_attribute", "subject"),
        ({"subject": "half \ud800"}, "event.bad_attribute", "subject"),
        ({"correlationid": "\udfff"}, "event.bad_attribute", "correlationid"),
        ({"type": ...}, "event.bad_attribute", "type"),
        ({"type": "Membership.Member.Admitted"}, "event.bad_attribute", "type"),
        ({"type": "membership.admitted"}, "event.bad_attribute", "type"),
        ({"source": "urn:lianmeng:finance"}, "event.foreign_source", "source"),
        ({"correlationid": ...}, "event.bad_attribute", "correlationid"),
        ({"data": ...}, "event.bad_attribute", "data"),
        ({"data": [1]}, "event.bad_attribute", "data"),
        ({"sequence": "-1"}, "event.bad_attribute", "sequence"),
        ({"sequence": "٣"}, "event.bad_attribute", "sequence"),
        ({"sequence": 3}, "event.bad_attribute", "sequence"),
        ({"time": "yesterday"}, "event.bad_attribute", "time"),
        ({"time": "2026-11-22T12:00:00"}, "event.bad_attribute", "time"),
        ({"sequence": "1" * 19}, "event.bad_attribute", "sequence"),
        ({"sequence": ...}, "event.bad_attribute", "sequence"),
        ({"time": ...}, "event.bad_attribute", "time"),
        ({"causationid": 5}, "event.bad_attribute", "causationid"),
        ({"causationid": None}, "event.bad_attribute", "causationid"),
        ({"article": ""}, "event.bad_attribute", "article"),
        ({"subject": "攸县\x00"}, "event.bad_attribute", "subject"),
        ({"specversion": ...}, "event.wrong_specversion", "specversion"),
        ({"source": ...}, "event.bad_attribute", "source"),
        ({"dataschema": ...}, "event.bad_attribute", "dataschema"),
        ({"dataschema": "urn:lianmeng:schema:membership.member.left:1"}, "event.bad_attribute", "dataschema"),
        ({"dataschema": "urn:lianmeng:schema:membership.member.admitted"}, "event.bad_attribute", "dataschema"),
        ({"dataschema": "urn:lianmeng:schema:membership.member.admitted:12345"}, "event.bad_attribute", "dataschema"),
        ({"dataschema": "urn:lianmeng:schema:membership.member.admitted:1:"}, "event.bad_attribute", "dataschema"),
    ],
)
def test_a_wrong_attribute_is_refused_by_name(changes, code, field) -> None:
    with pytest.raises(Invalid) as refused:
        parse(json.dumps(an_envelope(**changes)).encode())

    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize(
    ("changes", "attribute", "read"),
    [
        ({"id": "x" * 200}, "id", "x" * 200),
        ({"id": "x"}, "id", "x"),
        ({"subject": "攸县"}, "subject", "攸县"),
        ({"sequence": "9" * 18}, "sequence", 10**18 - 1),
        ({"sequence": "0"}, "sequence", 0),
        ({"time": "2026-11-22T20:00:00+08:00"}, "time", NOON),
        ({"dataschema": "urn:lianmeng:schema:membership.member.admitted:9999"}, "major", 9999),
        ({"traceparent": 5}, "traceparent", None),
        ({"traceparent": ...}, "traceparent", None),
        ({"unknown": [1]}, "id", "e-1"),
        ({"data": {}}, "data", {}),
    ],
)
def test_an_attribute_at_the_edge_of_what_is_allowed_is_read(changes, attribute, read) -> None:
    event = parse(json.dumps(an_envelope(**changes)).encode())

    assert getattr(event, attribute) == read


def test_an_envelope_of_the_greatest_size_is_read_and_a_byte_more_is_refused_with_its_size() -> None:
    body = encode(an_envelope()).encode().ljust(ENVELOPE_BYTES_MAX)
    assert parse(body).id == "e-1"

    with pytest.raises(Invalid) as refused:
        parse(body + b" ")

    assert (refused.value.code, refused.value.params) == ("event.too_large", {"bytes": ENVELOPE_BYTES_MAX + 1})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "event.not_json"),
        (b"{", "event.not_json"),
        (b"\xff\xfe", "event.not_json"),
        (b'{"data": NaN}', "event.not_json"),
        (b"[" * 100_000, "event.not_json"),
        (b"[]", "event.not_an_object"),
        (b"null", "event.not_an_object"),
        (b" " * (ENVELOPE_BYTES_MAX + 1), "event.too_large"),
    ],
)
def test_a_body_that_is_no_envelope_is_refused(body, code) -> None:
    with pytest.raises(Invalid) as refused:
        parse(body)

    assert refused.value.code == code


def test_a_malformed_traceparent_is_dropped_and_the_event_kept() -> None:
    assert parse(json.dumps(an_envelope(traceparent="00-zz")).encode()).traceparent is None


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    assert verdict(body).startswith(("read", "event."))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    ),
    st.sampled_from(sorted(an_envelope())),
)
def test_no_value_in_any_attribute_breaks_the_reader(value, name) -> None:
    assert verdict(json.dumps(an_envelope() | {name: value}).encode()).startswith(("read", "event."))
