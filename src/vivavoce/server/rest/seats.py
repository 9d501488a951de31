"""How many requests are worked on at once, and how many may wait: live calls share the machine with them."""

from __future__ import annotations

import asyncio

from vivavoce.server.rest.errors import ApiError


class Seats:
    """A request takes a seat before its body is read and leaves it with the last byte of its answer."""

    def __init__(self, seats: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(seats)
        self._waiting = 0
        self._most_waiting = waiting

    async def take(self) -> None:
        """Waits for a free seat. Raises ApiError (429) when too many wait already."""
        if self._free.locked() and self._waiting >= self._most_waiting:
            raise ApiError(
                "Too many requests are being served at once. Try again in a moment.",
                status=429,
                code="rate_limit_exceeded",
                kind="rate_limit_error",
                headers={"Retry-After": "1"},
            )
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Once for every `take`."""
        self._free.release()
