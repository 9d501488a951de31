"""A real HTTP server on loopback that plays scripted answers, as bytes and as late as a test wants them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

MODELS = b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"data":[]}'


class Endpoint:
    """Plays one scripted answer per request. A step is bytes to send, or an event to wait for before going on."""

    def __init__(self, *answers: Sequence[bytes | asyncio.Event]) -> None:
        self.answers = list(answers)
        self.bodies: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.heads: list[str] = []
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._request(reader):
                if self.heads[-1].startswith("GET ") and "/models" in self.heads[-1].split()[1]:
                    writer.write(MODELS)  # whoever warms up asks for them
                    continue
                steps = self.answers.pop(0)
                if not steps:
                    return  # without an answer
                for step in steps:
                    if isinstance(step, bytes):
                        writer.write(step)
                        await writer.drain()
                    elif not await self._waited(step, reader):
                        return
                if self.answers:
                    continue
                break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        lengths = (
            line.split(":")[1] for line in head.splitlines() if line.lower().startswith("content-length")
        )
        if length := int(next(lengths, "0")):
            body = await reader.readexactly(length)
            self.raw.append(body)
            with contextlib.suppress(msgspec.DecodeError):  # a form
                self.bodies.append(msgspec.json.decode(body))
        self.asked.set()
        return True

    async def _waited(self, step: asyncio.Event, reader: asyncio.StreamReader) -> bool:
        """Wait for an event, or notice that the client has left."""
        waiting = asyncio.ensure_future(step.wait())
        leaving = asyncio.ensure_future(reader.read(1))
        done, pending = await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if leaving in done:
            self.gone.set()
        return waiting in done


@asynccontextmanager
async def endpoint(*answers: Sequence[bytes | asyncio.Event]) -> AsyncIterator[tuple[Endpoint, str]]:
    played = Endpoint(*answers)
    server = await asyncio.start_server(played.serve, "127.0.0.1", 0)
    try:
        yield played, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


def head(status: str = "200 OK", kind: str = "text/event-stream") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n".encode()


def event(body: Any, end: str = "\n\n") -> bytes:
    return b"data: " + msgspec.json.encode(body) + end.encode()


def answered(body: bytes, kind: str, status: str = "200 OK") -> list[bytes | asyncio.Event]:
    """A whole answer after which the connection stays open."""
    top = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return [top.encode() + body]
