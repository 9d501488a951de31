"""Addresses of endpoints: whether one is this machine, or this very server."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


def same_address(url: str, host: str, port: int) -> bool:
    """Whether `url` leads back to a server that listens on `host` and `port`, so that it would ask itself.

    Names are looked up only when the port is the same.
    """
    try:
        parts = urlsplit(url)
        wanted = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
    except ValueError:
        return False
    if wanted != port or not parts.hostname:
        return False
    name, mine = parts.hostname.lower().rstrip("."), host.lower().strip("[]")
    if name == mine:
        return True
    theirs, ours = _addresses(name), _addresses(mine or "0.0.0.0")
    if theirs & ours:
        return True
    everywhere = any(ipaddress.ip_address(one).is_unspecified for one in ours)
    return any(ipaddress.ip_address(one).is_unspecified or (everywhere and _is_local(one)) for one in theirs)


def _addresses(name: str) -> set[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {str(entry[4][0]).split("%")[0] for entry in found}


def _is_local(address: str) -> bool:
    """Whether an address is one of this machine: only such a one can be bound."""
    ip = ipaddress.ip_address(address)
    if ip.is_loopback:
        return True
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host name or address never leaves this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
