"""The port for MCP servers, which stand in front of every engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from vivavoce.call.ports import EngineCall
from vivavoce.protocol.items import McpToolExecutionError
from vivavoce.session.effects import EngineEffect
from vivavoce.session.signals import Signal
from vivavoce.session.tool_calls import CallTool, ListingFailed, ListTools, McpEffect, ToolFailed


class ToolCaller(Protocol):
    """One call's half: its connections to servers."""

    def perform(self, effect: McpEffect) -> None:
        """Begin what the session asked for; returns at once."""

    async def close(self) -> None:
        """Stop all work of this call and disconnect."""


class ToolServers(Protocol):
    """The servers that sessions may use, shared by all calls."""

    def open(self, emit: Callable[[Signal], None]) -> ToolCaller:
        """Join a call; `emit` may be called from the event loop at any time until `close` returns."""


class NoServers:
    """Where MCP is not served at all."""

    def open(self, emit: Callable[[Signal], None]) -> ToolCaller:
        """Join a call."""
        return Refusing(emit)


class Refusing:
    """Every wish is answered, with a no."""

    def __init__(self, emit: Callable[[Signal], None]) -> None:
        self._emit = emit

    def perform(self, effect: McpEffect) -> None:
        """Say no."""
        message = "MCP servers are not reached from here."
        match effect:
            case ListTools():
                self._emit(ListingFailed(effect.listing, message))
            case CallTool():
                self._emit(ToolFailed(effect.call, McpToolExecutionError(message=message)))

    async def close(self) -> None:
        """There is nothing to close."""


class Fronted:
    """An engine's half of a call with MCP servers in front of it: what is for them never gets to the engine."""

    def __init__(self, engine: EngineCall, tools: ToolCaller) -> None:
        self.hear = engine.hear  # For every frame of input, so without a detour.
        self._engine = engine
        self._tools = tools

    def perform(self, effect: EngineEffect) -> None:
        """Begin what the session asked for."""
        if isinstance(effect, ListTools | CallTool):
            self._tools.perform(effect)
        else:
            self._engine.perform(effect)

    async def close(self) -> None:
        """Stop all work of this call."""
        await asyncio.gather(self._engine.close(), self._tools.close())
        # Both hold the call by `emit`; whoever still holds this shall not hold them.
        del self._engine, self._tools, self.hear
