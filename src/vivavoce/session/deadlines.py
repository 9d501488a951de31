"""Named timers. Time is handed in; nothing here waits."""

from __future__ import annotations

from typing import Literal

Name = Literal[
    "lead", "filler", "expiry", "expiry_near", "return", "turn", "idle", "upstream", "stall", "handover"
]


class Deadlines:
    """At most one deadline per name, in milliseconds of the call's clock."""

    def __init__(self) -> None:
        self._at_ms: dict[Name, int] = {}

    def set(self, name: Name, at_ms: int) -> None:
        """(Re)arm a timer."""
        self._at_ms[name] = at_ms

    def clear(self, name: Name) -> None:
        """Disarm a timer, armed or not."""
        self._at_ms.pop(name, None)

    def next(self) -> int | None:
        """When the earliest timer is due, if any is armed."""
        return min(self._at_ms.values(), default=None)

    def due(self, now_ms: int) -> list[Name]:
        """Disarm and return the timers that are due, earliest first."""
        names = sorted((at, name) for name, at in self._at_ms.items() if at <= now_ms)
        for _, name in names:
            del self._at_ms[name]
        return [name for _, name in names]
