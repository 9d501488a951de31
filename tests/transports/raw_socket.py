"""A WebSocket client that can do everything wrong: bytes in, frames out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = base64.b64encode(b"0123456789abcdef").decode()
TIMEOUT_S = 20
HEADERS = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """One frame as a client sends it; `rsv` are the three reserved bits."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size = len(payload)
    length = (
        bytes([size])
        if size < 126
        else struct.pack("!BH", 126, size)
        if size < 65_536
        else struct.pack("!BQ", 127, size)
    )
    if not masked:
        return bytes([first]) + length + payload
    mask = b"\x11\x22\x33\x44"
    hidden = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes([first, length[0] | 0x80]) + length[1:] + mask + hidden


def closing(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, struct.pack("!H", code) + reason)


@dataclass(frozen=True, slots=True)
class Frame:
    """What the server sent."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int | None:
        """Of a close frame."""
        return struct.unpack("!H", self.payload[:2])[0] if len(self.payload) >= 2 else None

    @property
    def event(self) -> dict[str, Any]:
        """Of a text frame."""
        event: dict[str, Any] = json.loads(self.payload)
        return event


class RawSocket:
    """After the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """These very bytes."""
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def next(self) -> Frame | None:
        """The next frame, None at the end of the connection."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                first, length = await self._reader.readexactly(2)
                if length == 126:
                    (length,) = struct.unpack("!H", await self._reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
                return Frame(first & 15, await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def until(self, opcode: int) -> Frame | None:
        """The next frame of this kind."""
        while (found := await self.next()) is not None and found.opcode != opcode:
            pass
        return found

    async def ended(self) -> bool:
        """Whether nothing comes any more."""
        return await self.next() is None


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TCP connection."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def handshake(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes
) -> tuple[int, str]:
    """Send a request as it is; the answer's status and all of its head. Status 0: there was none."""
    writer.write(head)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0, ""
    return int(answer.split()[1]), answer


def request(path: str = "/v1/realtime?model=m", method: str = "GET", **changes: str | None) -> bytes:
    """A handshake; `Sec_WebSocket_Key=None` leaves a header out."""
    headers: dict[str, str | None] = {"Host": "127.0.0.1", **HEADERS}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


@contextlib.asynccontextmanager
async def raw_socket(url: str) -> AsyncIterator[RawSocket]:
    """A session whose first event was read."""
    async with connected(url) as (reader, writer):
        status, _ = await handshake(reader, writer, request())
        assert status == 101
        socket = RawSocket(reader, writer)
        first = await socket.next()
        assert first is not None
        assert first.event["type"] == "session.created"
        yield socket
