"""Where a stranger's URL may not send us. Each hostile address is one that some sender somewhere fell for."""

from __future__ import annotations

import pytest

from shared.outbound.addresses import AddressGuard, AddressRefused, is_public

PUBLIC = "93.184.215.14"

#: Addresses that are refused by their form alone, whatever a resolver would say.
HOSTILE = [
    # other schemes, and no scheme
    "http://hooks.zhuzhou.cn/",
    "ftp://hooks.zhuzhou.cn/",
    "file:///etc/passwd",
    "gopher://hooks.zhuzhou.cn/",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    "data:text/plain,x",
    "//hooks.zhuzhou.cn/",
    "hooks.zhuzhou.cn",
    "",
    "https://",
    "https:///hook",
    "https:hooks.zhuzhou.cn",
    # loopback and this network
    "https://127.0.0.1/",
    "https://127.1.2.3/",
    "https://0.0.0.0/",
    "https://[::1]/",
    "https://[::]/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://foo.localhost/",
    "https://localhost.localdomain/",
    # IPv4 in the forms that resolvers read: decimal, octal, hexadecimal, short
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://10.1/",
    "https://3232235777/",
    "https://0xa9fea9fe/",
    "https://169.254.43518/",
    "https://0xa9.0xfe.0xa9.0xfe/",
    "https://1.2.3.4.5/",
    "https://256.1.1.1/",
    "https://08.8.8.8/",
    "https://93.184.215.014/",
    # private, shared, link-local, reserved
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.254/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.0.1/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    # metadata services, by number and by name
    "https://169.254.169.254/latest/meta-data/",
    "https://100.100.100.200/latest/meta-data/",
    "https://168.63.129.16/",
    "https://[fd00:ec2::254]/",
    "https://metadata/",
    "https://instance-data/",
    "https://metadata.google.internal/",
    "https://instance-data.ec2.internal/",
    "https://metadata.tencentyun.com/",
    "https://metadata.azure.com/",
    "https://metadata.goog/",
    # names that mean something inside a network
    "https://rabbitmq/",
    "https://postgres.lan/",
    "https://printer.local/",
    "https://kubernetes.default.svc/",
    "https://kubernetes.default.svc.cluster.local/",
    "https://wiki.corp/",
    "https://nas.home.arpa/",
    "https://hook.test/",
    "https://hook.example/",
    "https://abcdef.onion/",
    # IPv6: unique local, link-local, multicast, documentation, discard, segment routing, site-local
    "https://[fc00::1]/",
    "https://[fd12:3456::1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[100:0:0:1::1]/",
    "https://[5f00::1]/",
    "https://[fec0::1]/",
    # IPv4 inside IPv6: mapped, compatible, translated, 6to4, NAT64, Teredo, ISATAP
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:93.184.215.14]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::7f00:1]/",
    "https://[2001::7f00:1]/",
    "https://[fe80::5efe:127.0.0.1]/",
    "https://[2001:10::1]/",
    "https://[2001:2::1]/",
    # userinfo, odd authorities, parsers that disagree
    "https://user@hooks.zhuzhou.cn/",
    "https://user:secret@hooks.zhuzhou.cn/",
    "https://hooks.zhuzhou.cn@127.0.0.1/",
    "https://127.0.0.1#@hooks.zhuzhou.cn/",
    "https://hooks.zhuzhou.cn\\@127.0.0.1/",
    "https://hooks.zhuzhou.cn\\.evil.cn/",
    "https://[::1",
    "https://::1/",
    "https://[hooks.zhuzhou.cn]/",
    "https://127.0.0.1%00.zhuzhou.cn/",
    "https://127.0.0.1%2f.zhuzhou.cn/",
    "https://hooks%2ezhuzhou.cn/",
    "https://hooks.zhuzhou.cn/#fragment",
    "https:// hooks.zhuzhou.cn/",
    "https://hooks.zhuzhou.cn/a b",
    "https://hooks.zhuzhou.cn/\r\nX-Injected: 1",
    "https://hooks.zhuzhou.cn/\x00",
    "https://hooks_zhuzhou.cn/",
    "https://-hooks.zhuzhou.cn/",
    "https://hooks..zhuzhou.cn/",
    "https://.zhuzhou.cn/",
    "https://" + "a" * 64 + ".cn/",
    "https://hooks.zhuzhou.cn/" + "a" * 2_000,
    # trailing dot, other alphabets, digits that only look like digits
    "https://localhost./",
    "https://127.0.0.1./",
    "https://hooks.zhuzhou.cn./",
    "https://联盟.中国/",
    "https://①②⑦.⓪.⓪.①/",
    "https://１２７.０.０.１/",  # full-width digits
    "https://127。0。0。1/",
    "https://ⓛocalhost/",
    # ports
    "https://hooks.zhuzhou.cn:80/",
    "https://hooks.zhuzhou.cn:22/",
    "https://hooks.zhuzhou.cn:5432/",
    "https://hooks.zhuzhou.cn:5672/",
    "https://hooks.zhuzhou.cn:0/",
    "https://hooks.zhuzhou.cn:65536/",
    "https://hooks.zhuzhou.cn:99999999/",
    "https://hooks.zhuzhou.cn:-1/",
    "https://hooks.zhuzhou.cn:443:22/",
    "https://hooks.zhuzhou.cn:４４３/",
    "https://hooks.zhuzhou.cn:/",
]

#: Answers of a resolver, at least one of which lies inside.
INSIDE = [
    ["127.0.0.1"],
    ["10.0.0.5"],
    ["169.254.169.254"],
    ["100.100.100.200"],
    ["::1"],
    ["fe80::1%eth0"],
    ["::ffff:10.0.0.5"],
    ["64:ff9b::a00:5"],
    ["2002:a00:5::"],
    [PUBLIC, "10.0.0.5"],
    ["2606:2800:21f:cb07::1", "fd00::1"],
]


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
