"""The wire log: every event of a call by type and size, in both directions, at `--log-level debug`.

Nothing of what an event says is in it: no audio, no words, no keys. What comes is seen on the driver's hook, before it is read; what goes
is seen where a connection is written to, so that the names are those of its dialect. A call opened while the log is off has neither.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from vivavoce.call.attachments import Attachment
from vivavoce.call.driver import Joined, Left, Received
from vivavoce.protocol.client_events import CLIENT_EVENT_TYPES
from vivavoce.protocol.dialects import Dialect

log = logging.getLogger("vivavoce.wire")

KNOWN: Final = frozenset(CLIENT_EVENT_TYPES) | {"transcription_session.update"}
UNKNOWN: Final = "(unknown)"
"""Stands for a type that is none of ours: what a client calls its events may be anything, a key as well."""


class _Typed(msgspec.Struct):
    type: str


_read_type = msgspec.json.Decoder(_Typed).decode


def wire_log(call_id: str) -> WireLog | None:
    """The log of a call, where one is wanted."""
    return WireLog(call_id) if log.isEnabledFor(logging.DEBUG) else None


class WireLog:
    """The observer of one call. Lines read `CALL/CONNECTION <- session.update 312 bytes`; `<-` is what the client sent."""

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id

    def __call__(self, what: object, now_ms: int) -> None:
        """See an input of the driver."""
        if type(what) is Received:
            self._line(what.source, "<-", client_type(what.data), len(what.data))
        elif type(what) is Joined:
            log.debug("%s/%s joins%s", self._call_id, what.source, " again" if what.returning else "")
        elif type(what) is Left:
            log.debug("%s/%s leaves", self._call_id, what.source)

    def tapped(self, attachment: Attachment) -> Attachment:
        """A connection, listened to as it is written to."""
        return _Tapped(self, attachment)

    def sent(self, to: str, frame: bytes) -> None:
        """A frame goes to a connection."""
        self._line(to, "->", _read_type(frame).type, len(frame))

    def closed(self, to: str, code: int) -> None:
        """A connection is closed from our side."""
        log.debug("%s/%s -> close %d", self._call_id, to, code)

    def _line(self, connection: str, way: str, event_type: str, size: int) -> None:
        log.debug("%s/%s %s %s %d bytes", self._call_id, connection, way, event_type, size)


class _Tapped:
    """An attachment in front of another."""

    def __init__(self, wire: WireLog, inner: Attachment) -> None:
        self.id: str = inner.id
        self.dialect: Dialect = inner.dialect
        self._wire = wire
        self._inner = inner

    def write(self, frame: bytes) -> None:
        self._wire.sent(self.id, frame)
        self._inner.write(frame)

    def hang_up(self, code: int, reason: str) -> None:
        self._wire.closed(self.id, code)
        self._inner.hang_up(code, reason)


def client_type(frame: bytes | str) -> str:
    """The type of a client's event, as far as it is one that a client may send."""
    try:
        named = _read_type(frame).type
    except (ValueError, RecursionError):
        return UNKNOWN
    return named if named in KNOWN else UNKNOWN
