"""What people can be told of, in words: the one place where topics and the patterns of event types meet.

Which patterns there may be, and who is told, is the business of notifications.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from services.console.browser import Person
from services.console.rulebook import word
from services.console.showing import has_text, say

EVERYTHING = "everything"
#: Topic → patterns of event types, in the order in which people read them (docs/events.md lists the types).
TOPICS: dict[str, tuple[str, ...]] = {
    "applications": ("membership.application.*", "membership.admission.*"),
    "ballots": ("meetings.ballot.*",),
    "members": ("membership.member.*", "membership.leaving.*"),
    "offices": ("membership.office.*",),
    "charter": ("meetings.charter.*", "membership.alliance.*"),
    "accounts": ("membership.account.*",),
    "access": ("membership.client.*", "membership.signing_key.*"),
    "money": ("finance.*",),
    EVERYTHING: ("*",),
}
#: What somebody in a role would want to know without having thought about it. Operators find notices that could not be
#: delivered in their inbox anyway.
USUAL = {
    "secretariat": ("applications", "ballots", "members"),
    "committee": ("ballots", "members"),
    "representative": ("ballots", "members"),
    "treasurer": ("members", "money"),
    "operator": ("accounts", "access"),
    "authority": ("ballots", "members"),
}


def usual_topics(who: Person) -> list[str]:
    """The topics for all of the person's roles; for somebody without any, what every member would want to know."""
    roles = who.roles & USUAL.keys() or {"representative"}
    return [topic for topic in TOPICS if any(topic in USUAL[role] for role in roles)]


def patterns_of(topics: Collection[str]) -> list[str]:
    """What to subscribe to for these topics. Whoever wants everything needs nothing beside it."""
    if EVERYTHING in topics:
        return list(TOPICS[EVERYTHING])
    return [pattern for topic, patterns in TOPICS.items() if topic in topics for pattern in patterns]


def covers(patterns: Collection[str], wanted: Iterable[str]) -> bool:
    """Whether these patterns tell of everything that is wanted already."""
    return "*" in patterns or set(wanted) <= set(patterns)


def in_words(patterns: Collection[str]) -> Iterator[tuple[str, bool]]:
    """What a subscription tells of, and whether it has a name: topics, then single events, then patterns as they are."""
    rest = set(patterns)
    for topic, needed in TOPICS.items():
        if rest.issuperset(needed):
            yield say(f"subscriptions.topic.{topic}"), True
            rest.difference_update(needed)
    for pattern in sorted(rest):
        yield word("subscriptions.event", pattern), has_text(f"subscriptions.event.{pattern}")
