"""The kinds of refusal, without HTTP numbers.

A refusal is an expected answer to a wish that a rule does not allow; a bug is an assertion or any other exception.
`shared.web.problems` turns kinds into HTTP statuses, `shared.messaging.consumer` into defer or park. Domain code
may import this module and the standard library, nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing wrong with one field: `field` is a dotted path, `code` a key of the text catalogue."""

    code: str
    field: str
    params: Mapping[str, str | int] = dataclasses.field(default_factory=dict)


class Refusal(Exception):
    """A wish that is not granted.

    `code` is stable, dotted, and a key of the texts catalogue; `article` names the charter's article where a rule
    decided; `field` the input at fault; `params` fill the text's placeholders.
    """

    def __init__(
        self,
        code: str,
        *,
        field: str | None = None,
        article: str | None = None,
        retry_after_seconds: int | None = None,
        faults: Sequence[Fault] = (),
        **params: str | int,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.article = article
        self.retry_after_seconds = retry_after_seconds
        self.faults = tuple(faults)
        self.params = params

    def __str__(self) -> str:
        parts = [self.code]
        if self.field:
            parts.append(f"field={self.field}")
        parts += [f"{name}={value}" for name, value in self.params.items()]
        parts += [f"{fault.field}: {fault.code}" for fault in self.faults]
        return " ".join(parts)


class Invalid(Refusal):
    """The input breaks a rule of form or content; the same input will never be accepted."""

    @classmethod
    def of(cls, faults: Sequence[Fault], *, article: str | None = None) -> Invalid:
        """One refusal naming every fault found, so that a person can mend all of them at once."""
        return cls("input.invalid", faults=faults, article=article)


class NotFound(Refusal):
    """There is no such thing, or the caller may not know that there is."""


class Gone(NotFound):
    """There was such a thing, and it has been removed for good."""


class Conflict(Refusal):
    """The thing exists but is in a state that does not allow the wish."""


class Forbidden(Refusal):
    """The caller is known and may not do this."""


class Unauthenticated(Refusal):
    """The caller is not known: no credential, or one that does not hold."""


class TooMany(Refusal):
    """Allowed, but not so often; `retry_after_seconds` says when."""


class Unavailable(Refusal):
    """Not now: something needed has not arrived or does not answer. The same wish may be granted later."""
