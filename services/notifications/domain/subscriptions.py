"""Who is told what, and how: event patterns, channels, and what a channel needs as its target."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import Conflict, Fault, Invalid

#: Patterns of one subscription at most.
PATTERNS_MAX = 50
#: Subscriptions of one owner at most: more is a mistake, or somebody using us as an engine for mail.
SUBSCRIPTIONS_MAX = 50
PATTERN_CHARACTERS_MAX = 200
#: Longest address that mail servers take (RFC 5321, 4.5.3.1.3).
EMAIL_CHARACTERS_MAX = 254
#: Everything.
ANY = "*"
#: Events of this service are archived, never fanned out: telling about a delivery would make another delivery.
OWN_PREFIX = "notifications."

_PATTERN = re.compile(r"\*|[a-z_]+\.\*|[a-z_]+\.[a-z_]+\.\*|[a-z_]+\.[a-z_]+\.[a-z_]+")
# Plain addresses only: no quoted local parts, no comments, no line ends, nothing a header could trip over.
_EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?P<domain>[A-Za-z0-9.-]+)")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class Channel(StrEnum):
    """The ways to be told."""

    INBOX = "inbox"
    EMAIL = "email"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class Wish:
    """A subscription as somebody asks for it."""

    event_types: tuple[str, ...]
    channel: Channel
    target: str | None


def decide_subscription(
    wish: Wish, *, email_works: bool, subscriptions_so_far: int, told_already: Collection[frozenset[str]] = ()
) -> Wish:
    """The subscription to keep, its patterns each once and sorted. Raises Invalid naming every fault, or Conflict.

    `told_already` are the patterns of each living subscription of the same owner, channel and target.
    """
    faults = [*_faults_of_patterns(wish.event_types), *_faults_of_target(wish)]
    if faults:
        raise Invalid.of(faults)
    if wish.channel is Channel.EMAIL and not email_works:
        raise Conflict("subscription.email_not_configured", field="channel")
    if subscriptions_so_far >= SUBSCRIPTIONS_MAX:
        raise Conflict("subscription.too_many", maximum=SUBSCRIPTIONS_MAX)
    # An inbox shows an event once, however many subscriptions want it; a mailbox and a receiver would get it twice.
    if wish.channel is not Channel.INBOX and frozenset(wish.event_types) in told_already:
        raise Conflict("subscription.duplicate")
    return Wish(tuple(sorted(set(wish.event_types))), wish.channel, wish.target)


def patterns_matching(event_type: str) -> tuple[str, ...]:
    """Every pattern that would match the type: itself, its prefixes with a star, and the star alone."""
    words = event_type.split(".")
    prefixes = (".".join([*words[:count], ANY]) for count in range(1, len(words)))
    return (event_type, *prefixes, ANY)


def is_fanned_out(event_type: str) -> bool:
    """Whether subscribers are told of events of this type."""
    return not event_type.startswith(OWN_PREFIX)


def _faults_of_patterns(patterns: Sequence[str]) -> list[Fault]:
    if not patterns:
        return [Fault("subscription.no_event_types", "event_types")]
    if len(patterns) > PATTERNS_MAX:
        return [Fault("subscription.too_many_event_types", "event_types", {"maximum": PATTERNS_MAX})]
    return [
        Fault("subscription.pattern_malformed", f"event_types.{index}")
        for index, pattern in enumerate(patterns)
        if len(pattern) > PATTERN_CHARACTERS_MAX or _PATTERN.fullmatch(pattern) is None
    ]


def _faults_of_target(wish: Wish) -> list[Fault]:
    if wish.channel is Channel.INBOX:
        return [Fault("subscription.target_not_wanted", "target")] if wish.target is not None else []
    if not wish.target:
        return [Fault("subscription.target_missing", "target")]
    if wish.channel is Channel.EMAIL and not is_email_address(wish.target):
        return [Fault("subscription.email_malformed", "target")]
    return []


def is_email_address(text: str) -> bool:
    """Whether this is a plain address that can go into an envelope and a header as it is."""
    match = _EMAIL.fullmatch(text)
    if match is None or len(text) > EMAIL_CHARACTERS_MAX or len(text) - len(match["domain"]) - 1 > 64:
        return False
    labels = match["domain"].split(".")
    return len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)
