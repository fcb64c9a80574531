"""Where a stranger's URL may not send us. Each hostile address is one that some sender somewhere fell for."""

from __future__ import annotations

import pytest

from shared.outbound.addresses import AddressGuard, AddressRefused, is_public
from tests.unit.outbound.hostile import HOSTILE, INSIDE, PUBLIC


def guard(*addresses: str, **options) -> AddressGuard:
    """A guard whose resolver gives every name these addresses."""
    return AddressGuard(resolve=lambda _host, _port: list(addresses or [PUBLIC]), **options)


def test_there_are_enough_hostile_addresses_and_none_twice() -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) >= 80


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        guard().check(url)


@pytest.mark.parametrize("addresses", INSIDE)
def test_a_name_is_refused_when_any_of_its_addresses_lies_inside(addresses: list[str]) -> None:
    with pytest.raises(AddressRefused) as refused:
        guard(*addresses).check("https://hooks.zhuzhou.cn/")

    assert refused.value.reason == "address"


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://hooks.zhuzhou.cn/in?from=alliance", "hooks.zhuzhou.cn", 443, "/in?from=alliance"),
        ("https://Hooks.Zhuzhou.CN", "hooks.zhuzhou.cn", 443, "/"),
        ("HTTPS://hooks.zhuzhou.cn:8443/a", "hooks.zhuzhou.cn", 8443, "/a"),
        ("https://hooks.zhuzhou.cn?x=1", "hooks.zhuzhou.cn", 443, "/?x=1"),
        ("https://xn--fiq228c.xn--fiqs8s/", "xn--fiq228c.xn--fiqs8s", 443, "/"),
        (f"https://{PUBLIC}/", PUBLIC, 443, "/"),
        ("https://[2606:2800:21f:cb07::1]/", "2606:2800:21f:cb07::1", 443, "/"),
    ],
)
def test_a_public_receiver_is_accepted(url: str, host: str, port: int, path: str) -> None:
    target = guard().check(url)

    assert (target.host, target.port, target.path) == (host, port, path)


def test_a_name_without_addresses_is_unresolvable() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    for each in (AddressGuard(resolve=resolve), AddressGuard(resolve=lambda _host, _port: [])):
        with pytest.raises(AddressRefused) as refused:
            each.check("https://hooks.zhuzhou.cn/")
        assert refused.value.reason == "unresolvable"


def test_the_demo_lets_in_private_addresses_but_no_other_nonsense() -> None:
    relaxed = guard("127.0.0.1", allow_private=True)

    assert relaxed.check("http://127.0.0.1:8099/hook").port == 8099
    assert relaxed.check("http://receiver:8099/hook").authority == "receiver:8099"
    for url in ("http://user@127.0.0.1/", "http://2130706433/", "file:///etc/passwd", "http://a/\r\nX: 1"):
        with pytest.raises(AddressRefused):
            relaxed.check(url)


@pytest.mark.parametrize("text", ["", "hooks.zhuzhou.cn", "1.2.3", "::ffff:8.8.8.8", "fe80::1%eth0", "0177.0.0.1"])
def test_what_is_no_public_address_is_not_taken_for_one(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize("text", ["8.8.8.8", PUBLIC, "2606:2800:21f:cb07::1", "2400:3200::1"])
def test_public_addresses_are_known_as_such(text: str) -> None:
    assert is_public(text)


def test_the_host_header_names_the_port_only_when_it_is_not_the_usual_one() -> None:
    assert guard().check("https://hooks.zhuzhou.cn:443/").authority == "hooks.zhuzhou.cn"
    assert guard().check("https://hooks.zhuzhou.cn:8443/").authority == "hooks.zhuzhou.cn:8443"
    assert guard().check("https://[2606:2800:21f:cb07::1]:8443/").authority == "[2606:2800:21f:cb07::1]:8443"
