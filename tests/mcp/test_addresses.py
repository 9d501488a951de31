"""Where a client's address may lead."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import pytest

from vivavoce.call.settings import SettingsError, load_settings
from vivavoce.mcp.addresses import AddressPolicy, AddressRefused, is_public

INSIDE = (
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *(
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ),
    *(
        "::",
        "::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
    ),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "::127.0.0.1", "2001:db8::1"),
)
OUTSIDE = (
    "1.1.1.1",
    "93.184.216.34",
    "2606:4700::1111",
    "64:ff9b::101:101",
    "::ffff:1.1.1.1",
    "2002:101:101::",
)


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_a_network_is_not_reached(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_out_on_the_internet_is(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "permitted"),
    [
        ("10.0.0.0/8", "tools.example", 443, "10.1.2.3", True),
        ("10.0.0.0/8", "tools.example", 443, "192.168.1.1", False),
        ("127.0.0.1", "127.0.0.1", 9000, "127.0.0.1", True),
        ("127.0.0.1:9000", "127.0.0.1", 9000, "127.0.0.1", True),
        ("127.0.0.1:9000", "127.0.0.1", 9001, "127.0.0.1", False),
        ("[::1]:9000", "localhost", 9000, "::1", True),
        ("::1", "localhost", 1, "::1", True),
        ("tools.local", "TOOLS.local.", 1, "10.0.0.1", True),
        ("tools.local:80", "tools.local", 443, "10.0.0.1", False),
        ("tools.local", "other.local", 1, "10.0.0.1", False),
    ],
)
def test_what_the_operator_allows(entry: str, host: str, port: int, address: str, permitted: bool) -> None:
    assert AddressPolicy([entry]).permits(host, port, ipaddress.ip_address(address)) is permitted


@pytest.mark.parametrize("entry", ["", ":80", "tools.local:x"])
def test_an_entry_that_is_none_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(SettingsError, match="mcp"):
        load_settings({"mcp.allow": [entry]}, environ={})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f000001", "127.1", "[::1]"])
async def test_every_spelling_of_the_loopback_is_judged_after_resolving(host: str) -> None:
    with pytest.raises((AddressRefused, OSError)):
        await AddressPolicy().addresses(host.strip("[]"), 80)


async def test_one_address_inside_is_enough_to_refuse_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(*args: Any, **kwargs: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("1.1.1.1", "10.0.0.1")
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    with pytest.raises(AddressRefused, match=r"tools\.example"):
        await AddressPolicy().addresses("tools.example", 443)
