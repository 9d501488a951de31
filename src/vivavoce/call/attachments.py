"""The connections of a call: who is written what, and what is kept for one that dropped.

One of them is the primary connection, the call's own; the others are sidebands (protocol reference 1.1). All of them get every event,
encoded once per dialect; errors and replies go to whom they concern.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from vivavoce.protocol.dialects import Dialect
from vivavoce.protocol.server_events import ForeignEvent, ServerEvent

log = logging.getLogger("vivavoce.call")

MISSED_BYTES = 1_000_000
"""Events kept for a primary connection that dropped and may come back; audio is not among them. The oldest go first."""
TAKEN_OVER = "the client has connected again"
"""Why a primary connection is closed (1001) that its own client gave up before the server noticed."""


class Attachment(Protocol):
    """A connection to the call: events in its own dialect, whole frames."""

    id: str
    dialect: Dialect

    def write(self, frame: bytes) -> None:
        """Queue a frame; never blocks."""

    def hang_up(self, code: int, reason: str) -> None:
        """Close once what was queued before is written."""


class Missed:
    """What a dropped connection would have been written, in its dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.frames: deque[bytes] = deque()
        self._bytes = 0

    def keep(self, frames: list[bytes]) -> None:
        """Keep an event; the oldest make room for it."""
        self.frames.extend(frames)
        self._bytes += sum(map(len, frames))
        while self._bytes > MISSED_BYTES:
            self._bytes -= len(self.frames.popleft())


class Attachments:
    """A connection is expected from the moment it is there, and admitted in its turn: what happened before is not for it."""

    def __init__(self) -> None:
        self.primary: str | None = None
        self.tap: Callable[[Attachment], Attachment] | None = None
        """Put before every connection that comes; the wire log listens there."""
        self._expected: dict[str, Attachment] = {}
        self._admitted: dict[str, Attachment] = {}
        self._missed: Missed | None = None

    def __len__(self) -> int:
        return len(self._expected) + len(self._admitted)

    def expect(self, attachment: Attachment) -> None:
        """A connection is there."""
        self._expected[attachment.id] = attachment if self.tap is None else self.tap(attachment)

    def admit(self, source: str, *, returning: bool) -> None:
        """Its turn has come. The first one, and one that returns, is the primary connection from now on."""
        attachment = self._expected.pop(source, None)
        if attachment is None:
            return  # It left before it was its turn.
        if returning:
            former = self._admitted.pop(self.primary or "", None)
            if former is not None:
                former.hang_up(1001, TAKEN_OVER)
        if returning or (self.primary is None and self._missed is None):
            self.primary = source
        self._admitted[source] = attachment

    def remove(self, source: str) -> bool:
        """A connection was closed by the other side; False when it was not there."""
        if self._expected.pop(source, None) is not None:
            return True
        attachment = self._admitted.pop(source, None)
        if attachment is None:
            return False
        if source == self.primary:
            self.primary = None
            self._missed = Missed(attachment.dialect)
        return True

    def dialect_of(self, source: str) -> Dialect | None:
        """How a connection's frames are to be read."""
        attachment = self._admitted.get(source)
        return None if attachment is None else attachment.dialect

    def send(
        self,
        event: ServerEvent | ForeignEvent,
        to: str | None = None,
        *,
        lasting: bool = True,
        frame: bytes | None = None,
    ) -> None:
        """Write to whom it concerns. What is not `lasting` (audio) is of no use to one that comes back later.

        `frame`: the event as it is for the current dialect, where somebody else has written it.
        """
        if to is not None:
            attachment = self._admitted.get(to)
            if attachment is not None:
                _write(attachment, _frames(attachment.dialect, event, frame))
            return
        frames: dict[str, list[bytes]] = {}
        for attachment in self._admitted.values():
            dialect = attachment.dialect
            if dialect.name not in frames:
                frames[dialect.name] = _frames(dialect, event, frame)
            _write(attachment, frames[dialect.name])
        if self._missed is not None and lasting:
            dialect = self._missed.dialect
            self._missed.keep(frames.get(dialect.name) or _frames(dialect, event, frame))

    def retell(self, call_id: str) -> None:
        """Tell the primary connection, which has come back, what happened meanwhile."""
        missed, self._missed = self._missed, None
        attachment = self._admitted.get(self.primary or "")
        if missed is None or attachment is None:
            return
        if missed.dialect.name == attachment.dialect.name:
            _write(attachment, list(missed.frames))
        else:
            log.warning(
                "call %s: the client came back in another dialect and is not told what it missed", call_id
            )

    def hang_up(self, code: int, reason: str) -> None:
        """Close all of them."""
        for attachment in [*self._expected.values(), *self._admitted.values()]:
            attachment.hang_up(code, reason)


def _frames(dialect: Dialect, event: ServerEvent | ForeignEvent, frame: bytes | None) -> list[bytes]:
    return [frame] if frame is not None and dialect.name == "ga" else dialect.to_wire(event)


def _write(attachment: Attachment, frames: list[bytes]) -> None:
    for frame in frames:
        attachment.write(frame)
