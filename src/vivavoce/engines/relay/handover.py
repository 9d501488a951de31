"""Before the upstream session's time is up: another one is greeted beside it, and takes over at a quiet moment."""

from __future__ import annotations

from collections.abc import Callable

from vivavoce.call.machines import AnySession
from vivavoce.engines.relay.reading import is_greeting
from vivavoce.engines.relay.uplink import Uplink
from vivavoce.session.deadlines import Deadlines

NEXT_SUCCESSOR_MS = 30_000
"""After a successor that did not come about."""
QUIET_AGAIN_MS = 250
"""How soon it is looked again whether a successor may take over."""


class Handover:
    """none -due-> dialled -greets-> greeted -quiet-> none, and the successor counts; dialled -fails-> none, and later again.

    `quiet`: whether nobody speaks and nothing is owed at a time. What is due here is the deadline "handover".
    """

    def __init__(self, deadlines: Deadlines, up: Uplink, quiet: Callable[[int], bool]) -> None:
        self._deadlines = deadlines
        self._up = up
        self._quiet = quiet
        self._greeted = False

    def due(self, config: AnySession, now_ms: int) -> bool:
        """The deadline has come. True once the successor has taken over."""
        if not self._up.successor:
            self._greeted = False
            self._up.prepare_successor(config, now_ms)
        elif self._greeted:
            return self._take_over(config, now_ms)
        else:
            self.failed(now_ms)
        return False

    def said(self, frame: bytes, config: AnySession, now_ms: int) -> bool:
        """The successor greets; until it takes over it has nothing else to say. True once it has taken over."""
        if is_greeting(frame):
            self._greeted = True
            return self._take_over(config, now_ms)
        if not self._greeted:
            self.failed(now_ms)
        return False

    def failed(self, now_ms: int) -> None:
        """It did not come about; the upstream session that there is goes on meanwhile."""
        self._up.drop_successor()
        self._deadlines.set("handover", now_ms + NEXT_SUCCESSOR_MS)

    def _take_over(self, config: AnySession, now_ms: int) -> bool:
        if not self._quiet(now_ms):
            self._deadlines.set("handover", now_ms + QUIET_AGAIN_MS)
            return False
        self._up.take_over(config, now_ms)
        return True
