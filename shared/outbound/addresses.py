"""Which addresses we may be sent to by a stranger's URL: https, a public name or number, and nothing inside our network.

A webhook target is chosen by whoever subscribes, so without this guard our sender would be a way into the network it
stands in (OWASP API7, server-side request forgery). The URL's form is checked here, and every address its name
resolves to; `webhook.py` then connects to an address that was checked, never to a name resolved anew.
Python's `is_global` alone is not enough: it has been wrong in several releases, so our own list stands beside it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Name and port in, addresses as text out; raises OSError when there are none.
Resolve = Callable[[str, int], Sequence[str]]

#: Longest URL taken, in characters.
URL_CHARACTERS_MAX = 2_000
#: Ports a public receiver listens on. Any other is likelier a service that was never meant to get our requests.
PORTS = frozenset({443, 8443})

_URL = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?", re.IGNORECASE | re.ASCII)
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[0-9a-zA-Z.-]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

#: Names that mean something inside a network, whatever a resolver makes of them (RFC 6761, 6762, 8375, and clouds).
_INNER_SUFFIXES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
    "in-addr.arpa",
    "ip6.arpa",
    "test",
    "invalid",
    "example",
    "onion",
    "svc",
    "metadata.goog",
    "metadata.azure.com",
    "metadata.tencentyun.com",
)

_DENIED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier NAT; a cloud's metadata lives at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent on a public number
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries any IPv4 address inside
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
#: The only IPv6 block given out for public use. Outside it lie loopback, link-local, unique local, multicast, and
#: every form that wraps an IPv4 address: mapped, compatible, translated, NAT64.
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")


class AddressRefused(Exception):
    """We do not go there. `reason` is one word for logs and texts: scheme, form, port, name, address, unresolvable."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Target:
    """A URL taken apart. `host` is a lower-case ASCII name or an address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"


def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Every address the system's resolver knows."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class AddressGuard:
    """Judges URLs and what they resolve to. `allow_private` lets in http, any port and any address: demo and tests."""

    def __init__(self, *, allow_private: bool = False, resolve: Resolve = resolve_by_system) -> None:
        self._allow_private = allow_private
        self._resolve = resolve

    def parse(self, url: str) -> Target:
        """Take the URL apart. Raises AddressRefused; does not look up anything."""
        if len(url) > URL_CHARACTERS_MAX or _PRINTABLE.fullmatch(url) is None or "\\" in url:
            raise AddressRefused("form")
        match = _URL.fullmatch(url)
        if match is None:
            raise AddressRefused("form" if url.lower().startswith("https://") else "scheme")
        scheme, authority = match[1].lower(), match[2]
        if scheme != "https" and not self._allow_private:
            raise AddressRefused("scheme")
        parts = _AUTHORITY.fullmatch(authority)
        if parts is None:
            raise AddressRefused("form")
        port = int(parts[2]) if parts[2] else _default_port(scheme)
        if not 0 < port < 65_536 or (port not in PORTS and not self._allow_private):
            raise AddressRefused("port")
        return Target(scheme, self._host(parts[1].lower()), port, (match[3] or "/") + (match[4] or ""))

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a parsed host. One that is denied refuses all: nobody needs a name that is half inside."""
        literal = _literal(host)
        try:
            found = [host] if literal else list(self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise AddressRefused("unresolvable") from error
        if not found:
            raise AddressRefused("unresolvable")
        if not self._allow_private and not all(is_public(each) for each in found):
            raise AddressRefused("address")
        return found

    def check(self, url: str) -> Target:
        """Parse and resolve: what is done once when somebody subscribes."""
        target = self.parse(url)
        self.addresses(target.host, target.port)
        return target

    def _host(self, host: str) -> str:
        if host.startswith("["):
            if _literal(host[1:-1]) is None:
                raise AddressRefused("form")
            return host[1:-1]
        labels = host.split(".")
        if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
            raise AddressRefused("form")
        if _NUMBER.fullmatch(labels[-1]):
            # Resolvers read 2130706433, 0x7f.1, 0177.1 and 127.1 as addresses; we take the one canonical form only.
            if _literal(host) is None:
                raise AddressRefused("form")
        elif not self._allow_private and (len(labels) == 1 or _is_inner(host)):
            raise AddressRefused("name")
        return host


def is_public(text: str) -> bool:
    """Whether an address, as text, belongs to the public internet."""
    address = _literal(text)
    if address is None or not address.is_global:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_V6:
        return False
    return not any(address in network for network in _DENIED if network.version == address.version)


def _literal(text: str) -> IPAddress | None:
    if "%" in text:
        return None  # a scope id: link-local by nature
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_inner(host: str) -> bool:
    return any(host == suffix or host.endswith(f".{suffix}") for suffix in _INNER_SUFFIXES)


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
