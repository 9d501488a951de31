"""Which network addresses a client's `server_url` may lead to: public ones, and those the operator allows.

A name is resolved once and the connection goes to the very address that was judged, so a name that points elsewhere a moment later
(DNS rebinding) changes nothing. Redirects and reconnects come here again, because every connection does.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

from vivavoce.call.mcp_settings import Address, read_allowed

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Carries an IPv4 address in its last four bytes, and so leads wherever that does."""
INSIDE = tuple(map(ipaddress.ip_network, ("64:ff9b:1::/48", "fec0::/10", "100.64.0.0/10", "192.0.0.0/24")))
"""Ranges for inside use that older Pythons take for public."""


class AddressRefused(Exception):
    """The address must not be connected to; the message names the host and nothing secret."""


def is_public(address: Address) -> bool:
    """Whether an address is out on the internet. An IPv6 address that carries an IPv4 one is judged by that."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = _carried(address)
        if carried is not None:
            return is_public(carried)
    if any(address in network for network in INSIDE):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    tunnelled = address.teredo[1] if address.teredo is not None else None
    return address.ipv4_mapped or address.sixtofour or tunnelled


class AddressPolicy:
    """Judges every connection before it is made."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allowed = [read_allowed(entry) for entry in allow]

    def permits(self, host: str, port: int, address: Address) -> bool:
        """Whether `address`, found under `host`, may be connected to."""
        return is_public(address) or any(entry.covers(host, port, address) for entry in self._allowed)

    async def addresses(self, host: str, port: int) -> list[str]:
        """Where a host is, every address judged. Raises AddressRefused when a single one may not be, OSError when there is none."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for text in addresses:
            # An address with a zone (fe80::1%eth0) is link-local, whatever the zone.
            if not self.permits(host, port, ipaddress.ip_address(text.partition("%")[0])):
                raise AddressRefused(
                    f"{host} is at an address inside this network, which only the operator can allow ([mcp] allow)"
                )
        return addresses
