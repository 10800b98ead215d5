"""Which addresses a tenant may have us call: the public internet, and the networks that an installation opens."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from tuneloop.kit.client_address import Network

Address = IPv4Address | IPv6Address

# Not public, though older Pythons or the registries call them so: special uses of IANA, and Azure's metadata host.
_SPECIAL = tuple(
    ip_network(network)
    for network in (
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "64:ff9b:1::/48",
        "2001::/23",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
_NAT64 = ip_network("64:ff9b::/96")


def literal(host: str) -> Address | None:
    """The address that a host is written as, in any form that a resolver takes: `127.1`, `0x7f.1`, `2130706433`."""
    plain = host.removeprefix("[").removesuffix("]").rstrip(".").partition("%")[0]
    try:
        return ip_address(plain)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(plain))
    except (OSError, UnicodeEncodeError):
        return None


def is_reachable(address: Address, opened: Sequence[Network] = ()) -> bool:
    """Whether a tenant may have us call it. `opened`: networks that the installation allows besides."""
    actual = _actual(address)
    if any(actual in network for network in opened):
        return True
    return (
        actual.is_global
        and not (actual.is_multicast or actual.is_reserved)
        and not any(actual in network for network in _SPECIAL)
    )


def _actual(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, where it does."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address
