"""What the lines of MCP servers mean: `mcp lists`, `mcp unreachable`, `mcp returns`, `mcp fails`."""

from __future__ import annotations

from typing import Any

from vivavoce.protocol.items import McpToolExecutionError, McpToolInfo
from vivavoce.session.tool_calls import ListingFailed, ToolAnswered, ToolFailed, ToolsListed
from vivavoce.testing.puppet import PuppetCall
from vivavoce.testing.words import split_words


class ServerLines:
    """Servers answer in the order in which they were asked; `mcp@2` is the second that has not answered yet."""

    def __init__(self, puppet: PuppetCall) -> None:
        self._puppet = puppet

    def say(self, actor: str, what: str) -> None:
        """Let a server say what a line says. Raises IndexError when none was asked."""
        place = int(actor.partition("@")[2] or 1) - 1
        first, *rest = split_words(what).plain
        puppet = self._puppet
        match first:
            case "lists":
                puppet.emit(ToolsListed(puppet.listings.pop(place), tuple(map(_tool, rest[0]))))
            case "unreachable":
                puppet.emit(ListingFailed(puppet.listings.pop(place), str(rest[0])))
            case "returns":
                puppet.emit(ToolAnswered(puppet.calls.pop(place), str(rest[0])))
            case "fails":
                error = McpToolExecutionError(message=str(rest[0]))
                puppet.emit(ToolFailed(puppet.calls.pop(place), error))
            case _:
                raise ValueError(f"a server cannot '{first}'")


def _tool(given: Any) -> McpToolInfo:
    """A tool by its name, or by its fields; a name that ends in `?` is one that only reads."""
    if isinstance(given, dict):
        return McpToolInfo(**{"input_schema": {"type": "object"}, **given})
    name = str(given)
    notes = {"readOnlyHint": True} if name.endswith("?") else {}
    return McpToolInfo(name=name.removesuffix("?"), input_schema={"type": "object"}, annotations=notes)
