"""From what a session says about an MCP server to how it is reached.

A client gives an address of its own (`server_url`) or the name of a server the operator has set up (`server_label` or
`connector_id`). A command is only ever the operator's.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from msgspec import UNSET

from vivavoce.call.mcp_settings import McpServerSettings, McpSettings
from vivavoce.protocol.session_objects import McpTool, Secret
from vivavoce.session.mcp import SET_UP_HERE

RESERVED_HEADERS = frozenset(
    {
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "accept-encoding",
    }
)
"""Headers that steer the connection itself and are nobody's to set."""
SECRET_LENGTH = 6
"""Shorter than this nothing is a secret; striking it out would only spoil the text."""


class Unreachable(Exception):
    """There is no way to that server; the message is for the client."""


@dataclass(frozen=True, slots=True)
class Command:
    """A server that is a process, spoken to by its standard input and output."""

    command: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str | None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not come out in any text: the values of its environment."""
        return tuple(value for _, value in self.env if len(value) >= SECRET_LENGTH)


@dataclass(frozen=True, slots=True)
class Url:
    """A server at an address. `trusted`: the operator named it, so its address is not judged."""

    url: str
    headers: tuple[tuple[str, str], ...]
    trusted: bool

    @property
    def host(self) -> str:
        """For messages: an address may hold a key, its host does not."""
        return urlsplit(self.url).hostname or "the server"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not come out in any text: header values, and what an address may carry besides host and path."""
        parts = urlsplit(self.url)
        values = [value for _, header in self.headers for value in (header, *header.split())]
        values += [parts.query, *(pair.partition("=")[2] for pair in parts.query.split("&"))]
        values += [parts.password or ""]
        return tuple(
            sorted({value for value in values if len(value) >= SECRET_LENGTH}, key=len, reverse=True)
        )


Reach = Command | Url


def reach(tool: McpTool, settings: McpSettings) -> Reach:
    """How to get to a server. Raises Unreachable."""
    if tool.tunnel_id is not UNSET:
        raise Unreachable("Tunnels are not served here; give a 'server_url'.")
    headers = _headers(tool)
    name = tool.connector_id
    if isinstance(tool.server_url, str) and tool.server_url.startswith(SET_UP_HERE):
        name = tool.server_url.removeprefix(SET_UP_HERE)
    if isinstance(name, str):
        named = settings.servers.get(name)
        if named is None:
            raise Unreachable(f"No MCP server '{name}' is set up here.")
        return _named(named, headers)
    if not settings.client_urls:
        raise Unreachable("Only MCP servers that are set up here may be used.")
    return Url(_checked(str(tool.server_url)), headers, trusted=False)


def _named(server: McpServerSettings, headers: tuple[tuple[str, str], ...]) -> Reach:
    if server.command:
        return Command(server.command, server.args, tuple(sorted(server.env.items())), server.cwd or None)
    # The operator's own headers win: a client cannot put itself in the place of the operator's key.
    own = {name.lower() for name in server.headers}
    kept = tuple((name, value) for name, value in headers if name.lower() not in own)
    return Url(server.url, (*kept, *server.headers.items()), trusted=True)


def _headers(tool: McpTool) -> tuple[tuple[str, str], ...]:
    given = _revealed(tool.headers)
    pairs = list(given.items()) if isinstance(given, dict) else []
    for name, value in pairs:
        if name.lower() in RESERVED_HEADERS:
            raise Unreachable(f"The header '{name}' cannot be set.")
        if not name.isascii() or not value.isascii() or any(ord(letter) < 32 for letter in name + value):
            raise Unreachable(f"The header '{name}' holds characters that a header cannot.")
    token = _revealed(tool.authorization)
    if isinstance(token, str):
        bare = token.removeprefix("Bearer ").strip()
        if not bare.isascii() or not bare.isprintable():
            raise Unreachable("'authorization' holds characters that a header cannot.")
        pairs.append(("Authorization", f"Bearer {bare}"))
    return tuple(pairs)


def _revealed(secret: Secret | None) -> str | dict[str, str] | None:
    return secret.reveal() if secret is not None else None


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Unreachable("'server_url' must be an http or https address.")
    return url
