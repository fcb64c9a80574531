"""The envelope: what is written can be read, and what cannot be understood is refused with the field at fault."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Invalid
from shared.messaging.envelope import ENVELOPE_BYTES_MAX, build, encode, parse
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
    assert event.as_cause() == Cause("story-1", "e-1", event.traceparent)


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
        ({"dataschema": "urn:lianmeng:schema:membership.member.left:1"}, "event.bad_attribute", "dataschema"),
    ],
)
def test_a_wrong_attribute_is_refused_by_name(changes, code, field) -> None:
    with pytest.raises(Invalid) as refused:
        parse(json.dumps(an_envelope(**changes)).encode())

    assert (refused.value.code, refused.value.field) == (code, field)


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
