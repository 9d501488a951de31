"""uvicorn's WebSocket with a straight way in and out.

Between a socket's bytes and an ASGI application there are a queue, a task to wake, a dictionary for each message, and reading is
switched off and on again (two system calls). For a message of 20 ms of sound that is a quarter of all that the server spends on it
(docs/adr/0019-straight-from-the-socket.md). Handshake, framing, keep-alive and closing are uvicorn's own, and an application that does
not ask for the shortcut is served as ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode
from websockets.http11 import Request

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

EXTENSION = "vivavoce.socket"
"""In the scope's `extensions`: a dictionary whose `socket` is the connection's UvicornSocket."""

BEAT_S = 1.0
"""Pings go out on the beat. What a quiet session costs is waking up for its ping and its pong, and those who ping together wake up once.
Of a thousand sessions, one ping in 30 s each, thirty go out together: not long enough for anybody to hear."""

Listener = Callable[[str | bytes], None]
NO_WEBSOCKET = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class UvicornSocket(WebSocketsSansIOProtocol):
    """Give it to uvicorn as `ws`."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._listener: Listener | None = None

    def listen(self, listener: Listener) -> None:
        """From now on hand every message to `listener` as it is read, instead of to `receive`, which tells only the end."""
        self._listener = listener

    def pause(self) -> None:
        """Stop reading; the sender waits. What was read already is still handed over."""
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    async def send_texts(self, texts: Sequence[bytes]) -> None:
        """Write whole text messages, UTF-8, in one go; waits while the peer does not read. Raises ClientDisconnected."""
        await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        try:
            for text in texts:
                self.conn.send_text(text)
        except InvalidState:
            raise ClientDisconnected from None
        self.transport.write(b"".join(self.conn.data_to_send()))

    async def send(self, message: ASGISendEvent) -> None:
        """Say what the application says; a handshake that was refused in words of its own is complete as well."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            # uvicorn takes it for one that nobody answered, and logs an error for each.
            self.handshake_complete = True

    # --- uvicorn's hooks ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes. A request that HTTP takes and a WebSocket does not (another method) would leave the connection open and forgotten."""
        super().data_received(data)
        if (
            self.conn.handshake_exc is not None
            and not self.handshake_initiated
            and not self.transport.is_closing()
        ):
            self.transport.write(NO_WEBSOCKET)
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """Offer the shortcut to the application."""
        super().handle_connect(event)
        # A refused handshake has no scope; the application's task has not started yet.
        if hasattr(self, "scope"):
            extensions: Any = self.scope["extensions"]
            extensions[EXTENSION] = {"socket": self}

    def schedule_ping(self) -> None:
        """The next ping: when uvicorn would send it, at the beat that follows."""
        assert self.ping_interval is not None
        due_s = self.loop.time() + max(0.0, self.ping_interval - self.last_ping_rtt)
        self.ping_timer = self.loop.call_at(math.ceil(due_s / BEAT_S) * BEAT_S, self.send_keepalive_ping)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is going to listen any more; whoever did may go, without waiting for the garbage collector."""
        super().connection_lost(exc)
        self._listener = None
        if hasattr(self, "scope"):
            extensions: Any = self.scope["extensions"]
            extensions.pop(EXTENSION, None)

    def send_receive_event_to_app(self) -> None:
        """A message is complete."""
        if self.close_sent:
            self.frames = []
            return
        message: str | bytes = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        if self.curr_msg_data_type == "text":
            try:
                message = message.decode()  # type: ignore[union-attr]
            except UnicodeDecodeError:
                # uvicorn does the same, and logs a traceback: anybody could fill the log.
                self.frames = []
                self._refuse(CloseCode.INVALID_DATA, "the text is not UTF-8")
                return
        if self._listener is None:
            super().send_receive_event_to_app()
            return
        self.frames = []
        self._listener(message)

    def _refuse(self, code: CloseCode, reason: str) -> None:
        """Close over a message that cannot be."""
        try:
            self.conn.send_close(code, reason)
        except InvalidState:
            return  # The peer closes in the same breath, and was answered.
        self.handle_parser_exception()
