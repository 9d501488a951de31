"""Realtime over a WebSocket: JSON text frames both ways, reader and writer at the same time.

Plain ASGI: the web framework is not on the path of an event.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from vivavoce.call.driver import Call
from vivavoce.protocol import errors
from vivavoce.protocol.dialects import Dialect
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.protocol.server_events import ErrorEvent
from vivavoce.transports.uvicorn_socket import UvicornSocket

log = logging.getLogger("vivavoce.call")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
SendMessage = Callable[[Message], Awaitable[None]]

_EVENT_ID = re.compile(rb'"event_id"\s*:\s*"([^"\\]{1,512})"')
_SEARCHED = 4096
_BATCH_BYTES = 64 * 1024


class WebSocketAttachment:
    """One accepted socket, attached to a call until either side closes it."""

    def __init__(
        self,
        attachment_id: str,
        dialect: Dialect,
        receive: Receive,
        send: SendMessage,
        *,
        max_frame_bytes: int,
        max_unsent_bytes: int,
        socket: UvicornSocket | None = None,
    ) -> None:
        """`socket`: the shortcut that the server offers, if it does; `receive` then only tells the end."""
        self.id = attachment_id
        self.dialect = dialect
        self._receive = receive
        self._send = send
        self._socket = socket
        self._max_frame_bytes = max_frame_bytes
        self._max_unsent_bytes = max_unsent_bytes
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._closing: tuple[int, str] | None = None
        self._wake = asyncio.Event()
        self._resuming: asyncio.Task[None] | None = None

    def write(self, frame: bytes) -> None:
        """Queue a frame. A client that does not read is bounded: its socket is closed, the others do not notice."""
        if self._closing is not None:
            return
        self._unsent.append(frame)
        self._unsent_bytes += len(frame)
        if self._unsent_bytes > self._max_unsent_bytes:
            self._unsent.clear()
            self.hang_up(1008, "the client does not read what it is sent")
        self._wake.set()

    def hang_up(self, code: int, reason: str) -> None:
        """Close when everything queued is written."""
        if self._closing is None:
            # A close frame carries at most 123 bytes of reason (RFC 6455, 5.5).
            self._closing = (code, reason.encode()[:123].decode(errors="ignore"))
            self._wake.set()

    async def run(self, call: Call) -> None:
        """Serve the socket until it is closed, then leave the call."""
        if self._socket is not None:
            self._socket.listen(lambda data: self._listen(call, data))
        writer = asyncio.create_task(self._write_all())
        reader = asyncio.create_task(self._read_all(call))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = [task for task in (reader, writer, self._resuming) if task is not None]
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                # A peer that is gone is no news; anything else is a bug of ours and would end the call without a word.
                if isinstance(ended, Exception) and not isinstance(ended, OSError):
                    log.error("call %s/%s: internal error", call.id, self.id, exc_info=ended)
            call.leave(self.id)

    async def _read_all(self, call: Call) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("text")
            if data is None:
                data = message.get("bytes") or b""
            self._take(call, data)
            await call.room()

    def _listen(self, call: Call, data: str | bytes) -> None:
        """A message straight from the socket: nobody can be made to wait here, so reading is switched off instead."""
        self._take(call, data)
        if call.crowded and self._resuming is None and self._socket is not None:
            self._socket.pause()
            self._resuming = asyncio.create_task(self._resume(call, self._socket))

    async def _resume(self, call: Call, socket: UvicornSocket) -> None:
        await call.room()
        self._resuming = None
        socket.resume()

    def _take(self, call: Call, data: str | bytes) -> None:
        if len(data) > self._max_frame_bytes:
            self._refuse_frame(data)
        else:
            call.receive(self.id, data)

    async def _write_all(self) -> None:
        while True:
            while self._unsent:
                await self._write(self._next_batch())
            if self._closing is not None:
                code, reason = self._closing
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
                return
            self._wake.clear()
            await self._wake.wait()

    def _next_batch(self) -> list[bytes]:
        """Frames to write together. Bounded, so that a client that does not read fills our queue, where it is noticed."""
        batch: list[bytes] = []
        size = 0
        while self._unsent and size < _BATCH_BYTES:
            frame = self._unsent.popleft()
            batch.append(frame)
            size += len(frame)
        self._unsent_bytes -= size
        return batch

    async def _write(self, batch: list[bytes]) -> None:
        if self._socket is not None:
            await self._socket.send_texts(batch)
            return
        for frame in batch:
            await self._send({"type": "websocket.send", "text": frame.decode()})

    def _refuse_frame(self, data: str | bytes) -> None:
        """A frame too large to be decoded is answered all the same; its id stands near one of its ends."""
        ends = data[:_SEARCHED], data[-_SEARCHED:]
        around = b" ".join(end.encode() if isinstance(end, str) else bytes(end) for end in ends)
        found = _EVENT_ID.search(around)
        refused = frame_too_large(self._max_frame_bytes)
        detail = ErrorDetail(
            type=refused.type,
            code=refused.code,
            message=refused.message,
            event_id=found[1].decode(errors="replace") if found else None,
        )
        for frame in self.dialect.to_wire(ErrorEvent(event_id="event_frame_too_large", error=detail)):
            self.write(frame)


def frame_too_large(limit_bytes: int) -> ClientError:
    """A message above the limit. The session goes on."""
    return errors.ClientError("invalid_event", f"The event is larger than {limit_bytes} bytes.")
