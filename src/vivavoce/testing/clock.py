"""Virtual time: an event loop whose clock stands still while there is work, and jumps to the next timer when there is none.

Waiting costs nothing, and the same program always sees the same times. Sockets and threads work, but while one of them is waited
for no time passes.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

US_PER_MS = 1000
US_PER_S = 1_000_000
STUCK_AFTER_S = 5.0
"""Real seconds to wait for a thread or a socket when no timer is left; then the program is stuck and is told so."""


class Stuck(RuntimeError):
    """Everybody waits, and nothing that could wake them is left."""


class _SkippingSelector(selectors.DefaultSelector):
    """Instead of waiting, tells the loop's clock to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.now_us = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is not None:
            # Rounded, since the loop computed the wait in floats; never nothing, or it would ask for ever.
            self.now_us = max(self.now_us + 1, round(self.now_us + timeout * US_PER_S))
            return []
        ready = super().select(STUCK_AFTER_S)
        if not ready:
            raise Stuck("every task waits and no timer is left")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0."""

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._skipping.now_us / US_PER_S

    @property
    def now_ms(self) -> int:
        """Whole virtual milliseconds since the loop was made."""
        return self._skipping.now_us // US_PER_MS

    def advance_to(self, at_ms: int) -> None:
        """Run everything that is due before `at_ms`; then it is `at_ms`, and what is due then has yet to run.

        For a caller outside the loop, who acts at `at_ms` before any timer does.
        """
        limit_us = at_ms * US_PER_MS - 1
        if limit_us >= self._skipping.now_us:
            stopping = self.call_at(limit_us / US_PER_S, self.stop)
            self.run_forever()
            stopping.cancel()
        self._skipping.now_us = max(self._skipping.now_us, at_ms * US_PER_MS)


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
