"""The call's clock: one media time for the microphone, the loudspeaker and every time in the record."""

from __future__ import annotations

import asyncio


class CallClock:
    """Milliseconds since the call began. With `speed` 4 a second of the call takes a quarter of a second."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._loop = asyncio.get_running_loop()
        self.start()

    def start(self) -> None:
        """The call begins now."""
        self._began = self._loop.time()
        self._latest_ms = 0

    def now_ms(self) -> int:
        """Media time, in whole milliseconds. Never before what it was: time that is taken back by `stand_still` passes again unseen."""
        self._latest_ms = max(self._latest_ms, self._running_ms())
        return self._latest_ms

    def late_ms(self, due_ms: int) -> int:
        """How long ago a moment was at which something should have been done; negative while it is still to come."""
        return self._running_ms() - due_ms

    def _running_ms(self) -> int:
        return int((self._loop.time() - self._began) * 1000 * self.speed)

    def world(self, real_ms: int) -> int:
        """The media time in which so much time of the world passes: for waiting on somebody who does not live faster."""
        return int(real_ms * self.speed)

    def stand_still(self, for_ms: int) -> None:
        """So much media time did not pass, since nobody got to do what belonged to it."""
        self._began += for_ms / 1000 / self.speed

    async def until(self, at_ms: int) -> None:
        """Wait for a moment; yields to others once when it has passed already."""
        await asyncio.sleep(self._left_s(at_ms))
        if self._left_s(at_ms) > 0:
            await self.until(at_ms)  # It stood still meanwhile.

    def _left_s(self, at_ms: int) -> float:
        return max(0.0, self._began + at_ms / 1000 / self.speed - self._loop.time())

    async def sleep(self, for_ms: int) -> None:
        """Wait for so much media time."""
        await self.until(self._running_ms() + for_ms)
