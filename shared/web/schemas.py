"""Base classes and fields of request and response schemas.

Requests are strict: unknown fields are refused, numbers are numbers, text is clean. What a person reads and what
is stored is then the same text. Meaning (is this credit code plausible?) is not judged here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate
from typing_extensions import override

from shared.runtime.clock import rfc3339
from shared.web.validation import complain

#: Largest whole number that every JSON reader keeps exactly (RFC 8259, section 6).
WHOLE_NUMBER_MAX = 2**53 - 1

# Control characters, line and paragraph separators, and marks that turn the reading direction of what follows them:
# with those a name can be made to look like another in a list.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
_LINE_ENDS = re.compile("\r\n?")


class RequestSchema(ma.Schema):
    """Base of everything a caller sends."""

    class Meta:
        """Unknown fields are refused."""

        unknown = ma.RAISE


class ResponseSchema(ma.Schema):
    """Base of everything a caller gets; also read by clients, who ignore what they do not know."""

    class Meta:
        """Unknown fields are ignored."""

        unknown = ma.EXCLUDE


class Text(fields.String):
    """Text of a person: trimmed, in Unicode form NFC, without control characters.

    `max` and `min` count characters after trimming; `lines` lets line breaks and tabs in.
    """

    def __init__(self, max: int = 200, min: int = 1, *, lines: bool = False, **kwargs: Any) -> None:  # noqa: A002 - reads as in marshmallow's validate.Length
        self.lines = lines
        own = kwargs.pop("validate", ())
        rules = [own] if callable(own) else list(own)
        super().__init__(validate=[validate.Length(min=min or None, max=max), *rules], **kwargs)

    @override
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        assert isinstance(text, str)
        return clean_text(text, lines=self.lines)


def clean_text(text: str, *, lines: bool = False) -> str:
    """The text as it is stored; raises marshmallow's ValidationError for characters that have no place in it."""
    text = _LINE_ENDS.sub("\n", text) if lines else text
    match = _FORBIDDEN.search(text) or (None if lines else re.search("[\t\n]", text.strip()))
    if match is not None:
        raise complain("text.forbidden_character", character=f"U+{ord(match.group()):04X}")
    return unicodedata.normalize("NFC", text).strip()


class WholeNumber(fields.Integer):
    """A JSON integer: no text, no fraction, no true or false. Money (fen) and counts."""

    def __init__(self, *, minimum: int = 0, maximum: int = WHOLE_NUMBER_MAX, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(min=minimum, max=maximum), strict=True, **kwargs)

    @override
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid", input=value)
        return value


class TrueOrFalse(fields.Boolean):
    """A JSON true or false, and nothing that merely resembles one."""

    @override
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Instant(fields.Field[datetime]):
    """An instant as RFC 3339 with an offset, answered in UTC with `Z`."""

    def __init__(self, **kwargs: Any) -> None:
        described = {"type": "string", "format": "date-time", **kwargs.pop("metadata", {})}
        super().__init__(metadata=described, **kwargs)

    @override
    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is None or isinstance(value, str):
            return value
        return rfc3339(value)

    @override
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            instant = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= 40 else None
            if instant is None or instant.tzinfo is None:
                raise ValueError(value)
            return instant.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise complain("input.not_a_time") from error


#: What a service may pass as `validate=`.
Validator = Callable[[Any], Any]
