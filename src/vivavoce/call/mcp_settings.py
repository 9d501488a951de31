"""Settings of the MCP tools that sessions may use: the `[mcp]` section."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry of the operator's list: a network or a host name, with or without a port."""

    network: Network | None
    host: str
    port: int | None

    def covers(self, host: str, port: int, address: Address) -> bool:
        """Whether a connection to `address`, found under the name `host`, is meant."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address in self.network
        return self.host == host.rstrip(".").lower()


def read_allowed(entry: str) -> Allowed:
    """`10.0.0.0/8`, `127.0.0.1:9000`, `tools.local`, `[::1]:9000`. Raises ValueError."""
    text, port = entry.strip(), None
    if text.startswith("["):
        text, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    if not text or (port is not None and not port.isdigit()):
        raise ValueError(f"'{entry}' is neither a host, an address nor a network")
    number = int(port) if port is not None else None
    try:
        return Allowed(ipaddress.ip_network(text, strict=False), "", number)
    except ValueError:
        return Allowed(None, text.rstrip(".").lower(), number)


class McpServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A server the operator has set up, under `[mcp.servers.NAME]`: a command with its arguments and variables, or an address with headers.

    Clients name it by `server_label` or `connector_id`; what stands here never reaches them.
    """

    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: str = ""
    url: str = ""
    headers: dict[str, str] = {}

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise ValueError("a server has either a command or a url")


class McpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """MCP tools. `allow` lists hosts, addresses and networks inside which a client's `server_url` may lead."""

    client_urls: bool = True
    allow: tuple[str, ...] = ()
    list_timeout_ms: Annotated[int, Meta(ge=100, le=600_000)] = 10_000
    call_timeout_ms: Annotated[int, Meta(ge=100, le=600_000)] = 30_000
    result_chars: Annotated[int, Meta(ge=100, le=1_000_000)] = 32_000
    servers: dict[str, McpServerSettings] = {}

    def __post_init__(self) -> None:
        for entry in self.allow:
            read_allowed(entry)
