"""Which patterns, targets and channels a subscription may have, and which events a pattern catches."""

from __future__ import annotations

import pytest

from services.notifications.domain.subscriptions import (
    PATTERNS_MAX,
    SUBSCRIPTIONS_MAX,
    Channel,
    Wish,
    decide_subscription,
    is_email_address,
    is_fanned_out,
    patterns_matching,
)
from shared.errors import Conflict, Invalid


def decide(*event_types: str, channel: Channel = Channel.INBOX, target: str | None = None, **options) -> Wish:
    """Decide on a wish, e-mail working and nothing subscribed so far unless said otherwise."""
    given = {"email_works": True, "subscriptions_so_far": 0, **options}
    return decide_subscription(Wish(event_types, channel, target), **given)


def faults(*event_types: str, **options) -> list[tuple[str, str]]:
    """(field, code) of what is wrong with a wish."""
    with pytest.raises(Invalid) as refused:
        decide(*event_types, **options)
    return [(fault.field, fault.code) for fault in refused.value.faults]


def test_an_event_is_caught_by_its_type_by_its_prefixes_and_by_the_star() -> None:
    assert patterns_matching("meetings.ballot.closed") == (
        "meetings.ballot.closed",
        "meetings.*",
        "meetings.ballot.*",
        "*",
    )


def test_patterns_are_kept_once_and_in_order() -> None:
    assert decide("meetings.ballot.*", "*", "*", "a.b.c").event_types == ("*", "a.b.c", "meetings.ballot.*")


@pytest.mark.parametrize(
    "pattern",
    [
        "", "#", "**", "*.*", "a", "a.b", "a.b.c.d", "a.b.c.*", "a.*.c", "*.b.c", ".*", "a.b.", "a..c", "A.b.c",
        "a.b.c ", " *", "a.b.c\n", "成员.*", "a.b.c'--", "%", "a_b.*.*", "a" * 300 + ".*",
    ],
)  # fmt: skip
def test_a_malformed_pattern_is_refused_by_its_place(pattern: str) -> None:
    assert faults("*", pattern) == [("event_types.1", "subscription.pattern_malformed")]


def test_patterns_have_a_least_and_a_largest_number() -> None:
    assert faults() == [("event_types", "subscription.no_event_types")]
    assert faults(*["*"] * (PATTERNS_MAX + 1)) == [("event_types", "subscription.too_many_event_types")]


def test_a_channel_demands_its_target_and_the_inbox_none() -> None:
    assert faults("*", target="x") == [("target", "subscription.target_not_wanted")]
    for channel in (Channel.EMAIL, Channel.WEBHOOK):
        for target in (None, ""):
            assert faults("*", channel=channel, target=target) == [("target", "subscription.target_missing")]


@pytest.mark.parametrize(
    "address",
    [
        "office@hetang.cn", "a.b+c@sub.zhuzhou.gov.cn", "o'brien@x-y.cn", "a" * 64 + "@zhuzhou.cn", "x@1.cn",
    ],
)  # fmt: skip
def test_a_plain_address_is_accepted(address: str) -> None:
    assert is_email_address(address)
    assert decide("*", channel=Channel.EMAIL, target=address).target == address


@pytest.mark.parametrize(
    "address",
    [
        "office", "office@", "@hetang.cn", "office@hetang", "a@b@c.cn", "a b@c.cn", "a..b@c.cn", ".a@c.cn", "a.@c.cn",
        "a@-c.cn", "a@c-.cn", "a@.cn", "a@c..cn", "a@c.cn.", '"a b"@c.cn', "a@[127.0.0.1]", "a@c.cn\r\nBcc: x@y.cn",
        "a@c.cn\n", "a\r\nRCPT TO:<x@y.cn>@c.cn", "a\x00@c.cn", "<a@c.cn>", "A <a@c.cn>", "a@c.cn,b@c.cn", "a@c.cn;b@c.cn",
        "张三@zhuzhou.cn", "a@株洲.cn", "a" * 65 + "@c.cn", "a@" + "b" * 64 + ".cn", "a@" + "b." * 130 + "cn", "a@c.cn ",
    ],
)  # fmt: skip
def test_anything_but_a_plain_address_is_refused(address: str) -> None:
    assert faults("*", channel=Channel.EMAIL, target=address) == [("target", "subscription.email_malformed")]


def test_email_without_a_mail_server_is_refused_at_once() -> None:
    with pytest.raises(Conflict) as refused:
        decide("*", channel=Channel.EMAIL, target="office@hetang.cn", email_works=False)

    assert refused.value.code == "subscription.email_not_configured"


def test_nobody_subscribes_without_end() -> None:
    decide("*", subscriptions_so_far=SUBSCRIPTIONS_MAX - 1)
    with pytest.raises(Conflict):
        decide("*", subscriptions_so_far=SUBSCRIPTIONS_MAX)


def test_events_about_deliveries_are_never_fanned_out() -> None:
    assert not is_fanned_out("notifications.delivery.abandoned")
    assert is_fanned_out("membership.member.admitted")
