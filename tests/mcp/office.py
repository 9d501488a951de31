"""A small MCP server of an office, run as a process: `python office.py stdio`, or `python office.py http|sse PORT`.

Written with the official library's server half, so that what is tested against is a server as others write one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

office = MCPServer("office", log_level="CRITICAL")
READ_ONLY = ToolAnnotations(read_only_hint=True)
counted = 0


@office.tool(annotations=READ_ONLY)
def opening_hours(day: str) -> str:
    """When the office is open on a day of the week."""
    return f"On {day} we are open from nine to five."


@office.tool()
def book_room(room: str, people: int = 2) -> str:
    """Book a meeting room."""
    if people > 20:
        raise ToolError(f"No room holds {people} people.")
    return f"The {room} room is yours."


@office.tool()
def count() -> str:
    """How often this was asked for."""
    global counted
    counted += 1
    return str(counted)


@office.tool()
async def wait(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "waited"


@office.tool()
def recite(length: int) -> str:
    """A long text."""
    return "la" * (length // 2)


@office.tool()
def picture() -> Image:
    """A plan of the office."""
    return Image(data=bytes(300), format="png")


@office.tool()
def die() -> str:
    """End the process."""
    os._exit(3)


@office.tool()
def environment() -> str:
    """The names and values of this process's variables."""
    return "\n".join(f"{name}={value}" for name, value in sorted(os.environ.items()))


@office.tool()
def headers(ctx: Context[Any]) -> str:
    """What the request brought along."""
    request = ctx.request_context.request
    return "\n".join(f"{name}: {value}" for name, value in request.headers.items()) if request else "none"


async def _moved(request: Request) -> Response:
    return RedirectResponse(request.query_params["to"], 307)


async def _closed(request: Request) -> Response:
    return Response("no entry", int(request.path_params["status"]))


def main(kind: str, port: int) -> None:
    """Serve until the process is ended."""
    office.custom_route("/moved", methods=["GET", "POST"])(_moved)
    office.custom_route("/closed/{status}", methods=["GET", "POST"])(_closed)
    if kind == "http":
        office.run("streamable-http", port=port)
    elif kind == "sse":
        office.run("sse", port=port, sse_path="/events")
    else:
        office.run("stdio")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
