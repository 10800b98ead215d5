"""Where a request comes from: the peer, or whom a proxy that we trust names."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def networks(listed: str) -> tuple[Network, ...]:
    """Of addresses and networks, separated by commas. Raises ValueError."""
    return tuple(ip_network(each) for part in listed.split(",") if (each := part.strip()))


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """The last address of `X-Forwarded-For` that no trusted proxy has, if the peer is one; else the peer.

    Of an IPv6 address only the network of 64 bits, which is what one customer has at least.
    """
    address = peer
    forwarded = [part.strip() for part in ",".join(forwarded_for).split(",")]
    while _within(address, trusted) and forwarded and _is_address(forwarded[-1]):
        address = forwarded.pop()
    return _customer(address)


def _within(address: str, trusted: Sequence[Network]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _customer(address: str) -> str:
    parsed = ip_address(address) if _is_address(address) else None
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped or ip_network((int(parsed), 64), strict=False))
