"""A WebSocket to the upstream, straight on the event loop: what comes in is handed on as it is read, what goes out is written at once.

No task and no queue stands between a socket's bytes and the call (docs/adr/0033-the-relay.md; docs/relay.md says what a hop costs).
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState, PayloadTooBig, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

import vivavoce
from vivavoce.call import via
from vivavoce.engines.relay import failures
from vivavoce.session.upstream import Failure

LARGEST_FRAME_BYTES = 32 * 1024 * 1024
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class Refused(Exception):
    """The handshake came to nothing. `retry_after_s`: when the upstream wants to be asked again, if it said so."""

    def __init__(self, failure: Failure, retry_after_s: float | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.retry_after_s = retry_after_s


class UpstreamSocket(asyncio.Protocol):
    """One connection. `hear` gets whole messages, `over` once how it ended, after it was open."""

    def __init__(
        self, url: str, key: str, way: str, hear: Callable[[bytes], None], over: Callable[[Failure], None]
    ) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard_anything = True
        """Whether anything was read since this was set to False."""
        self._key = key
        self._way = way
        self._conn = ClientProtocol(parse_uri(url), max_size=LARGEST_FRAME_BYTES)
        self._hear: Callable[[bytes], None] | None = hear
        self._over: Callable[[Failure], None] | None = over
        self._transport: asyncio.Transport | None = None
        self._pieces: list[bytes] = []

    # --- the world ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        # No isinstance: transports of uvloop, which the server runs on, are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        request = self._conn.connect()
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        request.headers[via.HEADER] = self._way
        request.headers["User-Agent"] = f"vivavoce/{vivavoce.__version__}"
        self._conn.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take in bytes."""
        self.heard_anything = True
        self._conn.receive_data(data)
        self._take()

    def eof_received(self) -> None:
        """The other side sends no more."""
        self._conn.receive_eof()
        self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over, in order or not."""
        if not self.opened.done():
            # Whoever connects is told, and may try again; the session is not over for that.
            self._hear = self._over = None
            cut = exc or ConnectionResetError(errno.ECONNRESET, "")
            self.opened.set_exception(Refused(failures.unreachable(cut)))
        self._end(self._why())

    # --- what may be asked ----------------------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Write one text message; nothing once the connection is on its way down."""
        if self._conn.state is State.OPEN:
            self._conn.send_text(frame)
            self._flush()

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._conn.state is State.OPEN:
            self._conn.send_ping(b"")
            self._flush()

    @property
    def unsent_bytes(self) -> int:
        """What the system has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def close(self) -> None:
        """Say goodbye and leave; nobody is told of the end any more."""
        self._hear = self._over = None
        if self.opened.done() and not self.opened.cancelled():
            self.opened.exception()  # Nobody else is going to look.
        try:
            self._conn.send_close(1000)
            self._flush()
        except InvalidState:
            pass  # Never opened, or closed already.
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Leave without a word: the other side does not listen."""
        self._hear = self._over = None
        if self._transport is not None:
            self._transport.abort()

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _why(self) -> Failure:
        """Why it is over."""
        broken = self._conn.parser_exc
        if isinstance(broken, PayloadTooBig):
            return failures.garbage(f"a message of more than {LARGEST_FRAME_BYTES // 1024 // 1024} MB")
        if isinstance(broken, ProtocolError | UnicodeDecodeError):
            return failures.garbage("what it sends is no WebSocket frame")
        said = self._conn.close_rcvd
        return failures.closed(said.code if said else 1006, said.reason if said else "", self._key)

    def _take(self) -> None:
        for event in self._conn.events_received():
            if isinstance(event, Response):
                self._answered(event)
            elif isinstance(event, Frame) and event.opcode in _DATA:
                self._message(event)
        self._flush()
        wrong = self._conn.handshake_exc
        if wrong is not None and not self.opened.done():
            cut = isinstance(wrong, EOFError) or isinstance(wrong.__cause__, EOFError)
            failure = (
                failures.unreachable(ConnectionResetError(errno.ECONNRESET, ""))
                if cut
                else failures.garbage("its answer to the handshake is none")
            )
            self.opened.set_exception(Refused(failure))
        if self._conn.state in (State.CLOSING, State.CLOSED) and self._transport is not None:
            self._transport.close()

    def _answered(self, response: Response) -> None:
        if self.opened.done():
            return
        if self._conn.handshake_exc is None:
            self.opened.set_result(None)
            return
        if response.status_code == 101:
            self.opened.set_exception(Refused(failures.garbage("its answer to the handshake is none")))
            return
        failure = failures.refused(response.status_code, bytes(response.body or b""), self._key)
        self.opened.set_exception(Refused(failure, _seconds(response.headers.get("Retry-After"))))

    def _message(self, frame: Frame) -> None:
        whole: bytes = bytes(frame.data)
        if frame.opcode is Opcode.CONT or not frame.fin:
            self._pieces.append(whole)
            if not frame.fin:
                return
            whole = b"".join(self._pieces)
            self._pieces = []
        if self._hear is not None:
            self._hear(whole)

    def _flush(self) -> None:
        if self._transport is None:
            return
        for data in self._conn.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()

    def _end(self, failure: Failure) -> None:
        over, self._over, self._hear = self._over, None, None
        if over is not None:
            over(failure)


async def connect(
    url: str,
    key: str,
    way: str,
    tls: ssl.SSLContext,
    hear: Callable[[bytes], None],
    over: Callable[[Failure], None],
) -> UpstreamSocket:
    """Connect and upgrade, by the way that `Via` is to tell. Raises Refused, or OSError. May be cancelled at any time: then nothing is left."""
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(
        lambda: UpstreamSocket(url, key, way, hear, over),
        parts.hostname or "",
        parts.port or (443 if secure else 80),
        ssl=tls if secure else None,
    )
    try:
        await socket.opened
    except BaseException:
        socket.close()
        raise
    return socket


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header is not None else None
    except ValueError:
        return None
