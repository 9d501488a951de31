"""Lines from standard input, without a thread that would outlive the call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

PIECE = 65_536


class Lines:
    """Iterates over the lines of a file descriptor: a terminal, a pipe or a file. Ends with the input."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._rest = b""

    async def __aiter__(self) -> AsyncIterator[str]:
        """The next line, without its end."""
        while piece := await self._read():
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace").rstrip("\r")
        if self._rest:
            yield self._rest.decode(errors="replace")

    async def _read(self) -> bytes:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(self._fd, ready.set)
        except (PermissionError, NotImplementedError):
            # A regular file is always ready, and epoll says so by refusing it.
            return os.read(self._fd, PIECE)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._fd)
        return os.read(self._fd, PIECE)
