"""Who is connected to a session, and what each of them is told about itself."""

from __future__ import annotations

from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.protocol.session_objects import SessionObject, TranscriptionSessionObject
from vivavoce.session.effects import Hangup
from vivavoce.session.outbox import Outbox


class Connections:
    """The first one that joins is the primary connection, and carries the audio."""

    def __init__(self, outbox: Outbox) -> None:
        self.primary: str | None = None
        self._outbox = outbox

    def joined(self, source: str, config: SessionObject | TranscriptionSessionObject) -> None:
        """Somebody is there, and is shown the session."""
        if self.primary is None:
            self.primary = source
        self._outbox.send(se.SessionCreated, to=source, session=config)

    def left(self, source: str) -> None:
        """Somebody left. Without its primary connection a call is over."""
        if source == self.primary:
            self._outbox.put(Hangup(1000, "the primary connection was closed"))

    def refuse(self, error: ClientError, source: str) -> None:
        """Tell one of them about its mistake; nothing else changes (house law 5)."""
        detail = ErrorDetail(
            type=error.type,
            code=error.code,
            message=error.message,
            param=error.param,
            event_id=error.event_id,
        )
        self._outbox.send(se.ErrorEvent, to=source, error=detail)

    def expire(self, max_duration_s: int) -> None:
        """The session has lived as long as it may."""
        error = errors.session_expired(max_duration_s // 60)
        detail = ErrorDetail(type=error.type, code=error.code, message=error.message)
        self._outbox.send(se.ErrorEvent, error=detail)
        self._outbox.put(Hangup(1001, error.message))
