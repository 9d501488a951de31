"""A client inside the process, for tests of a call: it keeps what it is sent."""

from __future__ import annotations

from typing import Any

import msgspec

from vivavoce.protocol.dialects import GA, Dialect
from vivavoce.testing.invariants import Invariants
from vivavoce.testing.strict import read_frame


class Listening:
    """An attachment that reads every frame strictly and holds the stream against `Invariants`."""

    def __init__(self, name: str, dialect: Dialect = GA, *, from_start: bool = True) -> None:
        self.id = name
        self.dialect = dialect
        self.events: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        # Who joins later has not seen how what goes on began.
        self.invariants = Invariants() if from_start else None

    def write(self, frame: bytes) -> None:
        """Take a frame. What is written after the end is a defect of the call."""
        assert self.closed is None, f"written after hanging up: {frame[:200]!r}"
        if self.dialect is GA:
            event = read_frame(frame)
            if self.invariants is not None:
                self.invariants.feed(event)
        else:
            event = msgspec.json.decode(frame)
        self.events.append(event)

    def hang_up(self, code: int, reason: str) -> None:
        """The call hangs up; only the first time counts."""
        if self.closed is None:
            self.closed = (code, reason)

    def types(self) -> list[str]:
        """The types of all events, in order."""
        return [event["type"] for event in self.events]

    def of_type(self, name: str) -> list[dict[str, Any]]:
        """All events of one type."""
        return [event for event in self.events if event["type"] == name]
