"""Who is connected to a session, what each of them is told about itself, and how long it all lasts."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import UNSET

from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.protocol.session_objects import SessionObject, TranscriptionSessionObject
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.effects import Hangup, Warn
from vivavoce.session.outbox import Outbox

AnySession = SessionObject | TranscriptionSessionObject
Presence = Literal["nobody", "here", "away"]

EXPIRY_NOTICE_S: Final = 300
"""So long before a session expires, whoever runs the server reads of it."""


class Connections:
    """The first one that joins is the primary connection; the session lasts as long as it does.

    nobody -joins-> here -drops, may come back-> away -returns-> here; here -drops-> over; away -too late-> over.
    """

    def __init__(self, outbox: Outbox, deadlines: Deadlines, max_duration_s: int, now_ms: int) -> None:
        self.primary: str | None = None
        self.presence: Presence = "nobody"
        self._outbox = outbox
        self._deadlines = deadlines
        deadlines.set("expiry", now_ms + max_duration_s * 1000)
        if max_duration_s > EXPIRY_NOTICE_S:
            deadlines.set("expiry_near", now_ms + (max_duration_s - EXPIRY_NOTICE_S) * 1000)

    def joined(self, source: str, config: AnySession, *, returning: bool = False) -> None:
        """Somebody is there, and is shown the session."""
        self.arrived(source, returning=returning)
        self._outbox.send(se.SessionCreated, to=source, session=config)

    def arrived(self, source: str, *, returning: bool = False) -> None:
        """Somebody is there; the session is shown by whoever knows it."""
        if returning or self.presence == "nobody":
            self.primary, self.presence = source, "here"
            self._deadlines.clear("return")

    def left(self, source: str, config: AnySession, now_ms: int) -> None:
        """Somebody left. Without its primary connection a call is over, unless its client asked for time to come back."""
        if source != self.primary:
            return
        grace_s = reattach_s(config)
        if not grace_s:
            self._outbox.put(Hangup(1000, "the primary connection was closed"))
            return
        self.primary, self.presence = None, "away"
        self._deadlines.set("return", now_ms + grace_s * 1000)

    def refuse(self, error: ClientError, source: str, event_id: str | None = None) -> None:
        """Tell one of them about its mistake; nothing else changes (house law 5). `event_id`: of the mistaken event, where the error does not say."""
        detail = ErrorDetail(
            type=error.type,
            code=error.code,
            message=error.message,
            param=error.param,
            event_id=event_id if error.event_id is None else error.event_id,
        )
        self._outbox.send(se.ErrorEvent, to=source, error=detail)

    def due(self, name: Literal["expiry_near", "return"]) -> None:
        """One of the deadlines set here has come; the third, "expiry", is `expire`."""
        if name == "return":
            self._outbox.put(Hangup(1000, "the client did not come back"))
        else:
            self._outbox.put(Warn(f"the session expires in {EXPIRY_NOTICE_S} s"))

    def expire(self, max_duration_s: int) -> None:
        """The session has lived as long as it may."""
        error = errors.session_expired(max_duration_s // 60)
        detail = ErrorDetail(type=error.type, code=error.code, message=error.message)
        self._outbox.put(Warn(f"the session expired after {max_duration_s} s"))
        self._outbox.send(se.ErrorEvent, error=detail)
        self._outbox.put(Hangup(1001, error.message))


def reattach_s(config: AnySession) -> int:
    """For how long a session waits for a client that dropped, in seconds; 0 unless it was asked to."""
    extension = config.vivavoce
    if extension is UNSET or extension.reattach_s is UNSET:
        return 0
    return extension.reattach_s
