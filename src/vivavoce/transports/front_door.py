"""uvicorn's HTTP with a limit on connections that do not say what they want.

A socket that is open and sends nothing, or its request by single bytes, costs the server a descriptor and some memory for as long as it
likes; uvicorn waits for it without end.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Porch:
    """Connections whose request is not complete. At most `most` of them, none for longer than `patience_s` seconds."""

    def __init__(self, most: int, patience_s: float) -> None:
        self._most = most
        self._patience_s = patience_s
        # In the order of their arrival, which is what a dict keeps.
        self._waiting: dict[FrontDoor, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, door: FrontDoor) -> None:
        """A request is expected. Where too many are, the one that waited longest has to go: an honest one needs a moment only."""
        if door in self._waiting:
            return
        if len(self._waiting) >= self._most:
            self.turn_out(next(iter(self._waiting)))
        self._waiting[door] = door.loop.call_later(self._patience_s, self.turn_out, door)

    def leave(self, door: FrontDoor) -> None:
        """It said what it wants, or went."""
        timer = self._waiting.pop(door, None)
        if timer is not None:
            timer.cancel()

    def turn_out(self, door: FrontDoor) -> None:
        """Close a connection that was given enough time."""
        self.leave(door)
        door.transport.abort()


class FrontDoor(H11Protocol):
    """A connection up to its upgrade, or for all its requests."""

    def __init__(self, porch: Porch, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._porch = porch

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The time begins."""
        super().connection_made(transport)
        self._porch.enter(self)

    def data_received(self, data: bytes) -> None:
        """Part of a request, or all of it."""
        super().data_received(data)
        upgraded = self not in self.connections
        # h11 leaves IDLE when it has seen the whole head of a request.
        if upgraded or self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            self._porch.leave(self)
        else:
            self._porch.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any more."""
        self._porch.leave(self)
        super().connection_lost(exc)
