"""What the session asks of MCP servers, and what they answer: effects and signals (protocol reference 4.15).

A listing and a call are known by the id of the item that shows them. Each is answered exactly once, in time or with a failure;
an answer nobody waits for any more is dropped, as all stale output is (house law 4).
"""

from __future__ import annotations

import msgspec

from vivavoce.protocol.items import McpError, McpToolInfo
from vivavoce.protocol.session_objects import McpTool


class ListTools(msgspec.Struct, frozen=True):
    """Effect: ask a server for its tools. Answered by ToolsListed or ListingFailed."""

    listing: str
    server: McpTool


class CallTool(msgspec.Struct, frozen=True):
    """Effect: call a tool by the server's own name for it; `arguments` is JSON text. Answered by ToolAnswered or ToolFailed."""

    call: str
    server: McpTool
    name: str
    arguments: str


class ToolsListed(msgspec.Struct, frozen=True):
    """Signal: all tools of a server, in its order."""

    listing: str
    tools: tuple[McpToolInfo, ...]


class ListingFailed(msgspec.Struct, frozen=True):
    """Signal: the tools could not be listed; `message` is for the client and holds no credential."""

    listing: str
    message: str


class ToolAnswered(msgspec.Struct, frozen=True):
    """Signal: what a tool returned, as text of bounded length."""

    call: str
    output: str


class ToolFailed(msgspec.Struct, frozen=True):
    """Signal: why a call came to nothing."""

    call: str
    error: McpError


McpEffect = ListTools | CallTool
McpSignal = ToolsListed | ListingFailed | ToolAnswered | ToolFailed
