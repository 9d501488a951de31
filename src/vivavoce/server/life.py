"""How a server ends: serving -> draining -> stopping.

While it drains nobody new is let in, and running sessions may go on up to a configured time. What is still there then, or when a
second signal comes, is told (close 1001) and ended.
"""

from __future__ import annotations

import enum
import logging
import math
import time
from collections.abc import Callable

log = logging.getLogger("vivavoce.server")

GOODBYE = "the server is shutting down"
"""The reason of the close frame (1001) that ends a session with the server."""


class Stage(enum.Enum):
    """serving -drain-> draining -over-> stopping -force-> forced; stop and force from anywhere before."""

    SERVING = "serving"
    DRAINING = "draining"
    STOPPING = "stopping"
    FORCED = "forced"


class Life:
    """Where a server is in its life. `drain_s`: how long running sessions may go on, in seconds."""

    def __init__(self, drain_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.stage = Stage.SERVING
        self._drain_s = drain_s
        self._clock = clock
        self._until_s = 0.0

    @property
    def serving(self) -> bool:
        """New sessions are let in."""
        return self.stage is Stage.SERVING

    def drain(self, sessions: int) -> None:
        """Let nobody in any more; `sessions` are still there."""
        if self.stage is Stage.SERVING:
            self.stage = Stage.DRAINING
            self._until_s = self._clock() + self._drain_s
            if math.isfinite(self._drain_s):  # Otherwise others watch over it, and say so.
                log.info("draining: %s may go on for %g s", _counted(sessions), self._drain_s)

    def stop(self) -> None:
        """End the sessions that there are."""
        if self.stage in (Stage.SERVING, Stage.DRAINING):
            self.stage = Stage.STOPPING

    def force(self) -> None:
        """Wait for nobody."""
        self.stage = Stage.FORCED

    def interrupted(self, sessions: int) -> None:
        """The signal of whoever runs the server as a service (SIGTERM): first gently, the second time at once."""
        if self.stage is Stage.SERVING:
            self.drain(sessions)
        else:
            self.force()

    def broken_off(self) -> None:
        """Ctrl-C (SIGINT): somebody sits there and waits."""
        if self.stage in (Stage.SERVING, Stage.DRAINING):
            self.stop()
        else:
            self.force()

    def look(self, sessions: int) -> bool:
        """Whether it is time to stop. To be asked now and then."""
        if self.stage is Stage.DRAINING and (not sessions or self._clock() >= self._until_s):
            if sessions:
                log.warning("drained for %g s: ending %s", self._drain_s, _counted(sessions))
            self.stop()
        return self.stage in (Stage.STOPPING, Stage.FORCED)


def _counted(sessions: int) -> str:
    return "1 session" if sessions == 1 else f"{sessions} sessions"
