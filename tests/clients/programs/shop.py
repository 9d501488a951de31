"""The MCP server of the case `mcp`: `python shop.py http PORT`, written with the official library's server half."""

from __future__ import annotations

import sys
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from pydantic import Field

shop = MCPServer("shop", log_level="CRITICAL")


@shop.tool()
def get_order_status(order_id: Annotated[str, Field(pattern="^[A-Z][0-9]{4}$")]) -> str:
    """Looks up where an order is."""
    return f"Order {order_id} has shipped and arrives on Tuesday."


if __name__ == "__main__":
    shop.run("streamable-http", port=int(sys.argv[2]))
