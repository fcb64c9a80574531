"""JSON bodies: one meaning, or a refusal that says where."""

from __future__ import annotations

import json

import pytest

from shared.errors import Invalid
from shared.web.json_bodies import DEPTH_MAX, Malformed, parse_json, shown

MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "json.malformed"),
    "a word": (b"hello", "json.malformed"),
    "cut short": (b'{"a": 1', "json.malformed"),
    "two documents": (b"{}{}", "json.malformed"),
    "trailing comma": (b'{"a": 1,}', "json.malformed"),
    "single quotes": (b"{'a': 1}", "json.malformed"),
    "comment": (b"{} // hi", "json.malformed"),
    "control character in text": (b'{"a": "\x01"}', "json.malformed"),
    "NUL byte": (b'{"a": "x"}\x00', "json.malformed"),
    "byte order mark": (b"\xef\xbb\xbf{}", "json.malformed"),
    "UTF-16": ('{"a": "é"}'.encode("utf-16"), "json.not_utf8"),
    "GBK": ('{"a": "株洲"}'.encode("gbk"), "json.not_utf8"),
    "overlong UTF-8": (b'{"a": "\xc0\xaf"}', "json.not_utf8"),
    "surrogate bytes": (b'{"a": "\xed\xa0\x80"}', "json.not_utf8"),
    "duplicate name": (b'{"a": 1, "a": 2}', "json.duplicate_name"),
    "duplicate name, spelt otherwise": (b'{"a": 1, "\\u0061": 2}', "json.duplicate_name"),
    "duplicate name, deep": (b'[{"x": {"a": 1, "a": 1}}]', "json.duplicate_name"),
    "NaN": (b'{"a": NaN}', "json.no_number"),
    "Infinity": (b"[Infinity]", "json.no_number"),
    "minus Infinity": (b"[-Infinity]", "json.no_number"),
    "too large a power": (b"[1e400]", "json.no_number"),
    "a number of a thousand digits": (b"[" + b"9" * 1000 + b"]", "json.no_number"),
    "a number of a million digits": (b"[" + b"9" * 1_000_000 + b"]", "json.no_number"),
    "depth beyond the limit": (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), "json.too_deep"),
    "depth 1000": (b'{"a":' * 1000 + b"1" + b"}" * 1000, "json.too_deep"),
    "depth 500000": (b"[" * 500_000 + b"]" * 500_000, "json.too_deep"),
    "unclosed depth": (b"[" * 500_000, "json.too_deep"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_document_is_refused(kind: str) -> None:
    raw, code = MALFORMED[kind]

    with pytest.raises(Malformed) as refused:
        parse_json(raw)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"name": "a\\u0000b"}', "name"),
        (b'{"name": "\\ud800"}', "name"),
        (b'{"people": [{"name": "x"}, {"name": "\\udfff!"}]}', "people.1.name"),
        (b'["ok", "\\udc00\\ud800"]', "1"),
    ],
)
def test_text_that_no_database_stores_is_named(raw: bytes, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_json(raw)

    assert [(fault.code, fault.field) for fault in refused.value.faults] == [("text.unstorable", field)]


def test_a_name_with_half_a_character_is_refused_and_can_be_told() -> None:
    with pytest.raises(Invalid) as refused:
        parse_json(b'{"\\ud800": 1}')

    assert [fault.field.encode() for fault in refused.value.faults] == ["\ufffd".encode()]


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -2.5, True, None, "株洲 𠮷 👩‍🏭", {}]},
        "text",
        9_007_199_254_740_993,
        [[[]]],
        {"a": "\ud83d\udc77".encode("utf-16", "surrogatepass").decode("utf-16")},
    ],
)
def test_a_sound_document_is_read_as_it_is(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


def test_the_deepest_allowed_document_is_read() -> None:
    value = parse_json(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)

    depth = 0
    while value:
        depth, value = depth + 1, value[0]
    assert depth == DEPTH_MAX - 1


def test_a_strangers_text_is_shown_short_and_without_controls() -> None:
    assert shown("a\nb\x1b[31m\u202e") == "a\ufffdb\ufffd[31m\ufffd"
    assert len(shown("x" * 500)) == 101
