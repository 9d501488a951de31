"""A connection to one MCP server, for one call: opened when it is needed, opened again after it was lost.

The library's clients must be entered and left by the same task, so a connection is a task of its own that waits to be told to close.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from typing import Any, TextIO
from urllib.parse import urlsplit

import httpx2
import mcp_types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

import vivavoce
from mcp import Client, MCPError, StdioServerParameters
from vivavoce.mcp.addresses import AddressPolicy
from vivavoce.mcp.results import LONGEST_MESSAGE, Failed, output_of, shorten, strike_out, tools_of
from vivavoce.mcp.servers import Command, Reach, Url
from vivavoce.mcp.wire import TROUBLE, Trouble, http_client
from vivavoce.protocol.items import (
    McpError,
    McpHttpError,
    McpProtocolError,
    McpToolExecutionError,
    McpToolInfo,
)

log = logging.getLogger("vivavoce.mcp")

INVALID_PARAMS = -32602
MOST_PAGES = 50
"""Pages of one listing: a server that never ends cannot hold a session."""
NO_STREAMABLE_HTTP = (400, 404, 405, 406, 415)
"""How a server that only knows the older SSE transport answers the newer one."""
INFO = mcp_types.Implementation(name="vivavoce", version=vivavoce.__version__)
ANYWHERE = AddressPolicy(("0.0.0.0/0", "::/0"))
"""For servers that the operator named."""


CLOSING_S = 8
"""What a process has to end in before it is left to the library's own means."""


class Connection:
    """One server. Its methods may be called by several tasks at a time; each raises Failed and nothing else."""

    def __init__(self, reach: Reach, policy: AddressPolicy, *, timeout_ms: int, result_chars: int) -> None:
        self._reach = reach
        self._policy = ANYWHERE if isinstance(reach, Url) and reach.trusted else policy
        self._timeout_s = timeout_ms / 1000
        self._result_chars = result_chars
        self._closing = asyncio.Event()
        self._ready: asyncio.Future[Client] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        """One, and those that still close after their connection was lost."""

    async def tools(self, timeout_ms: int) -> tuple[McpToolInfo, ...]:
        """Every tool the server has, page by page, connecting included."""
        async with self._asking(timeout_ms) as client:
            found: list[mcp_types.Tool] = []
            cursor: str | None = None
            for _ in range(MOST_PAGES):
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if not cursor:
                    break
            return tools_of(found, self._reach.secrets)

    async def call(self, name: str, arguments: str) -> str:
        """Call a tool; its result as text."""
        given = _arguments(arguments)
        async with self._asking(int(self._timeout_s * 1000)) as client:
            result = await client.call_tool(name, given)
        output = output_of(result, self._reach.secrets, self._result_chars)
        if result.is_error:
            raise Failed(
                McpToolExecutionError(message=shorten(output or "The tool failed.", LONGEST_MESSAGE))
            )
        return output

    async def close(self) -> None:
        """Disconnect; a process is ended."""
        self._closing.set()
        if self._tasks:
            _, slow = await asyncio.wait(self._tasks, timeout=CLOSING_S)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _asking(self, timeout_ms: int) -> AsyncIterator[Client]:
        """A live client, and whatever goes wrong while it is asked as Failed."""
        trouble = Trouble()
        noting = TROUBLE.set(trouble)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                client = await self._client()
                trouble.forget()
                yield client
        except Exception as error:
            first = _first(error)
            if _is_lost(first, trouble):
                self._lose()
            raise Failed(self._told(first, trouble, timeout_ms)) from None
        finally:
            TROUBLE.reset(noting)

    async def _client(self) -> Client:
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._closing = asyncio.Event()
            task = asyncio.create_task(self._run(self._ready, self._closing))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        # Whoever asked first may run out of time; the others still wait for the same connection.
        return await asyncio.shield(self._ready)

    def _lose(self) -> None:
        """The connection is no good any more: it is ended, and the next one who asks connects anew."""
        self._ready = None
        self._closing.set()

    async def _run(self, ready: asyncio.Future[Client], closing: asyncio.Event) -> None:
        try:
            async with contextlib.AsyncExitStack() as stack:
                client = await self._connect(stack)
                ready.set_result(client)
                await closing.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(_first(error))
                ready.exception()  # Somebody may have stopped waiting; nobody need look.
        finally:
            if self._ready is ready:
                self._ready = None  # The next one who asks connects anew.
            ready.cancel()

    async def _connect(self, stack: contextlib.AsyncExitStack) -> Client:
        reach = self._reach
        if isinstance(reach, Command):
            server = StdioServerParameters(
                command=reach.command, args=list(reach.args), env=dict(reach.env), cwd=reach.cwd
            )
            return await self._enter(stack, stdio_client(server, errlog=stderr(stack)))
        trouble = TROUBLE.get() or Trouble()
        if not urlsplit(reach.url).path.rstrip("/").endswith("/sse"):
            try:
                http = http_client(self._policy, dict(reach.headers), self._timeout_s)
                await stack.enter_async_context(http)
                return await self._enter(stack, streamable_http_client(reach.url, http_client=http))
            except Exception:
                if trouble.status not in NO_STREAMABLE_HTTP:
                    raise
                trouble.forget()
        return await self._enter(stack, self._sse(reach))

    def _sse(self, reach: Url) -> Any:
        def make(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
            return http_client(self._policy, dict(reach.headers), self._timeout_s)

        return sse_client(reach.url, httpx_client_factory=make)

    async def _enter(self, stack: contextlib.AsyncExitStack, transport: Any) -> Client:
        return await stack.enter_async_context(Client(transport, client_info=INFO, cache=None))

    def _told(self, error: Exception, trouble: Trouble, timeout_ms: int) -> McpError:
        """An error in words that hold no credential."""
        where = self._reach.host if isinstance(self._reach, Url) else "the server's process"
        if isinstance(error, TimeoutError):
            message = f"{where} did not answer within {timeout_ms} ms"
            return McpProtocolError(code=mcp_types.REQUEST_TIMEOUT, message=message)
        if trouble.reason is not None:
            return McpProtocolError(code=mcp_types.CONNECTION_CLOSED, message=trouble.reason)
        if trouble.status is not None:
            message = f"{where} answered with HTTP status {trouble.status}"
            return McpHttpError(code=trouble.status, message=message)
        if isinstance(error, MCPError):
            said = shorten(strike_out(error.error.message, self._reach.secrets), LONGEST_MESSAGE)
            return McpProtocolError(code=error.error.code, message=said)
        if isinstance(error, OSError) and isinstance(self._reach, Command):
            # The client is not told what stands in the operator's settings; the operator is.
            log.warning("the command of an MCP server could not be started: %s", error)
            message = "the server's command could not be started"
        else:
            message = f"the connection to {where} failed ({type(error).__name__})"
        return McpProtocolError(code=mcp_types.CONNECTION_CLOSED, message=message)


def _is_lost(error: Exception, trouble: Trouble) -> bool:
    """Whether nothing more can come over the connection: it broke, or the server has forgotten the session (404)."""
    if isinstance(error, TimeoutError):
        return False  # The tool is slow; others may still be answered.
    gone = not isinstance(error, MCPError) or error.error.code == mcp_types.CONNECTION_CLOSED
    return gone or trouble.status == 404


def stderr(stack: contextlib.ExitStack | contextlib.AsyncExitStack) -> TextIO:
    """Where a process may complain: where the server itself does, if there is such a place."""
    return sys.__stderr__ or stack.enter_context(open(os.devnull, "w", encoding="utf-8"))


def _arguments(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text or "{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Failed(McpProtocolError(code=INVALID_PARAMS, message="the arguments are not a JSON object"))
    return given


def _first(error: BaseException) -> Exception:
    """The error itself, out of the groups that task groups make of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
