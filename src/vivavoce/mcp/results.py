"""What an MCP server says, as text for a model: within bounds, and without any credential that it was given."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from vivavoce.protocol.items import McpError, McpToolInfo

if TYPE_CHECKING:
    from mcp_types import CallToolResult, Tool

MOST_TOOLS = 256
"""Tools of one server; what comes after them is left out."""
LONGEST_DESCRIPTION = 4_000
LARGEST_SCHEMA_CHARS = 32_000
LONGEST_MESSAGE = 500
"""Characters of an error."""


class Failed(Exception):
    """A server did not do what it was asked; `error` is what the client is shown."""

    def __init__(self, error: McpError) -> None:
        super().__init__(error.message)
        self.error = error


def strike_out(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def shorten(text: str, limit: int) -> str:
    """The text's beginning, and how much is missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[cut: {len(text) - limit} more characters]"


def output_of(result: CallToolResult, secrets: Iterable[str], limit: int) -> str:
    """A result in words. What is not text is only named: a model that hears of an image cannot see it here."""
    blocks = [_block(block) for block in result.content]
    if not any(blocks) and result.structured_content is not None:
        blocks = [json.dumps(result.structured_content, ensure_ascii=False)]
    return shorten(strike_out("\n".join(block for block in blocks if block), secrets), limit)


def _block(block: Any) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "image" | "audio":
            return f"[{block.type}: {block.mime_type}, {len(block.data) * 3 // 4} bytes]"
        case "resource_link":
            return f"{block.name}: {block.uri}"
        case "resource":
            held = block.resource
            return str(held.text) if hasattr(held, "text") else f"[{held.mime_type or 'data'}: {held.uri}]"
        case _:
            return f"[{block.type}]"


def tools_of(tools: Iterable[Tool], secrets: Iterable[str]) -> tuple[McpToolInfo, ...]:
    """Tools as the API shows them; one whose schema is too large for a model is left out."""
    secrets = tuple(secrets)
    shown: list[McpToolInfo] = []
    for tool in tools:
        try:
            schema = json.dumps(tool.input_schema, ensure_ascii=False)
        except (RecursionError, ValueError):
            continue
        if len(schema) > LARGEST_SCHEMA_CHARS or len(shown) == MOST_TOOLS or _depth(schema) > 64:
            continue
        described = tool.description or tool.title or ""
        notes = tool.annotations
        shown.append(
            McpToolInfo(
                name=tool.name,
                input_schema=json.loads(strike_out(schema, secrets)),
                description=shorten(strike_out(described, secrets), LONGEST_DESCRIPTION) or UNSET,
                annotations=UNSET
                if notes is None
                else notes.model_dump(mode="json", by_alias=True, exclude_none=True),
            )
        )
    return tuple(shown)


def _depth(text: str) -> int:
    """Brackets within brackets; those in strings count as well, which does no harm."""
    depth = deepest = 0
    for letter in text:
        if letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
    return deepest
