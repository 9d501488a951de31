"""A job as the server sees it: messages both ways with one worker, and an end."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Any, Protocol

from vivavoce.protocol.errors import EngineError

UNREAD_MESSAGES = 64
"""How many answers may lie unread before the worker is made to wait.

A worker's own socket buffer comes on top.
"""


class Line(Protocol):
    """What a job needs of the connection to its worker."""

    def send(self, job: int, body: Any) -> None:
        """Write one message. Raises EngineError when the worker is too far behind."""

    async def drained(self) -> None:
        """Wait until the worker has caught up with what was sent."""

    def cancel(self, job: int) -> None:
        """Tell the worker that nobody waits any more."""

    def hold(self, wait: bool) -> None:
        """Stop reading from the worker, or go on."""


class Job:
    """A worker checked out for one piece of work. Iterate it for the worker's messages; the iteration ends
    with the job.

    Leaving `async with job` cancels what is left. Everything raises EngineError when the worker failed or
    died.

    labels: what the worker held when it was checked out.
    """

    def __init__(self, number: int, stage: str, line: Line, labels: frozenset[str]) -> None:
        self.number = number
        self.labels = labels
        self._stage = stage
        self._line = line
        self._unread: deque[Any] = deque()
        self._error: EngineError | None = None
        self._over = False
        self._arrived = asyncio.Event()

    @property
    def over(self) -> bool:
        """Whether the worker has ended the job, died, or been told to stop."""
        return self._over

    def send(self, body: Any) -> None:
        """A message (anything msgpack can carry) to the worker.

        Never waits; raises EngineError when it cannot be delivered.
        """
        if self._error is not None:
            raise self._error
        if self._over:
            raise EngineError(self._stage, "the job is over", retryable=False)
        self._line.send(self.number, body)

    async def drained(self) -> None:
        """Wait until the worker has taken most of what was sent: for senders that could outrun it."""
        if not self._over:
            await self._line.drained()
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """Give up.

        From now on nothing of this job arrives; the worker is free within 20 ms. Harmless when it is over.
        """
        if self._over:
            return
        self._unread.clear()
        self._end()
        self._line.hold(False)
        self._line.cancel(self.number)

    def __aiter__(self) -> Job:
        return self

    async def __anext__(self) -> Any:
        while not self._unread:
            if self._error is not None:
                raise self._error
            if self._over:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        if len(self._unread) == UNREAD_MESSAGES // 2 and not self._over:
            self._line.hold(False)
        return self._unread.popleft()

    async def __aenter__(self) -> Job:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    # --- the connection's side --------------------------------------------------------------------

    def deliver(self, body: Any) -> None:
        """A message from the worker."""
        if self._over:
            return
        self._unread.append(body)
        self._arrived.set()
        if len(self._unread) == UNREAD_MESSAGES:
            self._line.hold(True)

    def finish(self, error: EngineError | None = None) -> None:
        """The worker ended the job, or died. What arrived before can still be read."""
        if not self._over:
            self._error = error
            self._end()

    def _end(self) -> None:
        self._over = True
        self._arrived.set()
