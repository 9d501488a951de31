"""MCP servers for calls: what a session asks of them is carried out here, in front of whatever engine answers it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from vivavoce.call.mcp_settings import McpSettings
from vivavoce.call.tool_servers import ToolCaller
from vivavoce.mcp.addresses import AddressPolicy
from vivavoce.mcp.results import Failed
from vivavoce.mcp.servers import Reach, Unreachable, reach
from vivavoce.protocol.items import McpProtocolError
from vivavoce.protocol.session_objects import McpTool
from vivavoce.session.signals import Signal
from vivavoce.session.tool_calls import (
    CallTool,
    ListingFailed,
    ListTools,
    McpEffect,
    ToolAnswered,
    ToolFailed,
    ToolsListed,
)

if TYPE_CHECKING:
    from vivavoce.mcp.connection import Connection

log = logging.getLogger("vivavoce.mcp")

MOST_SERVERS = 16
"""Servers one call may be connected to at a time."""
INTERNAL_ERROR = -32603


class McpServers:
    """The servers that sessions of this process may use."""

    def __init__(self, settings: McpSettings) -> None:
        self._settings = settings
        self._policy = AddressPolicy(settings.allow)

    def open(self, emit: Callable[[Signal], None]) -> ToolCaller:
        """Join a call; `emit` may be called from the event loop until `close` returns."""
        return CallServers(self._settings, self._policy, emit)


class CallServers:
    """One call's connections. Nothing is connected before a session names a server."""

    def __init__(self, settings: McpSettings, policy: AddressPolicy, emit: Callable[[Signal], None]) -> None:
        self._settings = settings
        self._policy = policy
        self._emit = emit
        self._connections: dict[Reach, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def perform(self, effect: McpEffect) -> None:
        """Begin what the session asked for."""
        match effect:
            case ListTools():
                self._start(self._list(effect))
            case CallTool():
                self._start(self._call(effect))

    async def close(self) -> None:
        """Give up what is under way and disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(one.close() for one in self._connections.values()), return_exceptions=True)
        self._connections.clear()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _list(self, effect: ListTools) -> None:
        try:
            connection = await self._connection(effect.server)
            self._emit(ToolsListed(effect.listing, await connection.tools(self._settings.list_timeout_ms)))
        except (Unreachable, Failed) as error:
            self._emit(ListingFailed(effect.listing, str(error)))
        except Exception:
            log.exception("listing the tools of a server failed")
            self._emit(ListingFailed(effect.listing, "The tools could not be listed."))

    async def _call(self, effect: CallTool) -> None:
        try:
            connection = await self._connection(effect.server)
            self._emit(ToolAnswered(effect.call, await connection.call(effect.name, effect.arguments)))
        except Failed as error:
            self._emit(ToolFailed(effect.call, error.error))
        except Unreachable as error:
            self._emit(ToolFailed(effect.call, McpProtocolError(code=INTERNAL_ERROR, message=str(error))))
        except Exception:
            log.exception("a call of a tool failed")
            broken = McpProtocolError(code=INTERNAL_ERROR, message="The tool could not be called.")
            self._emit(ToolFailed(effect.call, broken))

    async def _connection(self, server: McpTool) -> Connection:
        """The connection to a server. Raises Unreachable."""
        way = reach(server, self._settings)
        if way not in self._connections and len(self._connections) >= MOST_SERVERS:
            raise Unreachable(f"A session may use {MOST_SERVERS} servers.")
        # The library takes a second or more to load, during which other calls shall go on.
        make = await asyncio.to_thread(_connection_class)
        if way not in self._connections:
            settings = self._settings
            self._connections[way] = make(
                way,
                self._policy,
                timeout_ms=settings.call_timeout_ms,
                result_chars=settings.result_chars,
            )
        return self._connections[way]


def _connection_class() -> type[Connection]:
    from vivavoce.mcp.connection import Connection

    return Connection
