"""Loaded by every Python program that a page shows: a connection off this machine fails, and is put on record.

On record, because a library may swallow the failure. Sockets of native code are not seen.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _refuse(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else str(host)
    if host is None or name in ("", "localhost"):
        return
    try:
        if ipaddress.ip_address(name.split("%")[0]).is_loopback:
            return
    except ValueError:
        pass
    with open(os.environ["TEST_STRAYED"], "a", encoding="utf-8") as record:
        record.write(f"{name}\n")
    raise ConnectionRefusedError(f"{name} is not this machine")


def _checked(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _refuse(address[0])


def connect(self: socket.socket, address: Any) -> None:
    _checked(self, address)
    _connect(self, address)


def connect_ex(self: socket.socket, address: Any) -> int:
    _checked(self, address)
    return _connect_ex(self, address)


def getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
    _refuse(host)
    return _getaddrinfo(host, *arguments, **named)


if "TEST_STRAYED" in os.environ:
    socket.socket.connect = connect  # type: ignore[method-assign,assignment]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = getaddrinfo
