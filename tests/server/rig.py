"""Real servers on loopback with the scripted engine, and clients that read every frame strictly."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pybase64
import websockets
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.asyncio.client import ClientConnection

from vivavoce.call.settings import load_settings
from vivavoce.server.embedded import running_server
from vivavoce.testing.invariants import Invariants
from vivavoce.testing.strict import read_frame

TIMEOUT_S = 20
WHOLE: dict[str, Any] = {"max_size": None, "max_queue": None, "compression": None}
"""Frames of any size, and as many as come: a client that closes with a full queue would wait ten seconds for its own reader."""
ANSWER = "Good morning. How can I help?"
SCRIPT = f"""
answer = "{ANSWER}"
[[rules]]
when = "order"
calls = [{{ name = "look_up", arguments = {{ order_id = "A1001" }} }}]
[[rules]]
when = "shipped"
answer = "It is on its way."
[[rules]]
when = "both"
calls = [{{ name = "calendar" }}, {{ name = "crm", arguments = {{ name = "Sable" }} }}]
[[rules]]
when = "story"
answer = "{"Once upon a time there was a fox. " * 12}"
[[rules]]
when = "quiet"
silent = true
[[rules]]
when = "break"
fail = "as told"
"""


@contextlib.asynccontextmanager
async def server(folder: Path, **flags: Any) -> AsyncIterator[str]:
    """A server that follows SCRIPT; `session__output_lead_ms=0` sets a key."""
    script = folder / "script.toml"
    script.write_text(SCRIPT)
    given = {key.replace("__", "."): value for key, value in flags.items()}
    settings = load_settings(
        {"engine.kind": "scripted", "scripted.script": str(script), "data_dir": str(folder), **given},
        environ={},
    )
    async with running_server(settings) as url:
        yield url


def socket_url(url: str, query: str = "model=gpt-realtime-2") -> str:
    """The WebSocket's address."""
    return f"ws{url.removeprefix('http')}/v1/realtime?{query}"


class Talk:
    """A connection of some client: what it was sent, read strictly and held against the invariants."""

    def __init__(self, connection: AsyncRealtimeConnection | ClientConnection, *, beta: bool = False) -> None:
        self.events: list[dict[str, Any]] = []
        self._connection = connection
        self._invariants = Invariants()
        self._beta = beta

    async def send(self, type_: str, **fields: Any) -> None:
        """A client event."""
        await self.send_raw(json.dumps({"type": type_, **fields}))

    async def send_raw(self, frame: str | bytes) -> None:
        """Any frame."""
        if isinstance(self._connection, AsyncRealtimeConnection):
            assert isinstance(frame, str)
            await self._connection.send_raw(frame)
        else:
            await self._connection.send(frame)

    async def say(self, text: str) -> None:
        """A typed item and a request for an answer."""
        content = [{"type": "input_text", "text": text}]
        await self.send(
            "conversation.item.create", item={"type": "message", "role": "user", "content": content}
        )
        await self.send("response.create")

    async def speak(self, ms: int = 600, silence_ms: int = 600) -> None:
        """A tone and silence, in pieces of 20 ms."""
        for loud, length in ((True, ms), (False, silence_ms)):
            piece = (b"\x00\x20\x00\xe0" if loud else bytes(4)) * 240
            for _ in range(length // 20):
                await self.send("input_audio_buffer.append", audio=pybase64.b64encode_as_string(piece))

    async def next(self) -> dict[str, Any]:
        """The next event."""
        async with asyncio.timeout(TIMEOUT_S):
            if isinstance(self._connection, AsyncRealtimeConnection):
                frame: str | bytes = await self._connection.recv_bytes()
                # What the client itself makes of it.
                assert self._connection.parse_event(frame).type == json.loads(frame)["type"]
            else:
                frame = await self._connection.recv()
        event: dict[str, Any] = json.loads(frame) if self._beta else read_frame(frame)
        if not self._beta:
            self._invariants.feed(event)
        self.events.append(event)
        return event

    async def until(self, type_: str) -> dict[str, Any]:
        """Read on to the next event of a type."""
        while (event := await self.next())["type"] != type_:
            pass
        return event

    def of_type(self, type_: str) -> list[dict[str, Any]]:
        """All events of a type so far."""
        return [event for event in self.events if event["type"] == type_]

    def types(self) -> list[str]:
        """All types so far, audio and text deltas in a row as one."""
        kinds: list[str] = []
        for event in self.events:
            if not (kinds and kinds[-1] == event["type"] and event["type"].endswith(".delta")):
                kinds.append(event["type"])
        return kinds


@contextlib.asynccontextmanager
async def openai_client(url: str, key: str = "local") -> AsyncIterator[Talk]:
    """The unmodified openai-python client, pointed here by its base URL."""
    async with (
        AsyncOpenAI(base_url=f"{url}/v1", api_key=key) as client,
        client.realtime.connect(
            model="gpt-realtime-2", websocket_connection_options={"max_queue": None}
        ) as connection,
    ):
        yield Talk(connection)


@contextlib.asynccontextmanager
async def raw_client(
    url: str, query: str = "model=gpt-realtime-2", *, beta: bool = False, **options: Any
) -> AsyncIterator[Talk]:
    """A bare WebSocket."""
    headers = {"Authorization": "Bearer local"} | ({"OpenAI-Beta": "realtime=v1"} if beta else {})
    headers |= options.pop("headers", {})
    async with websockets.connect(
        socket_url(url, query), additional_headers=headers, **(WHOLE | options)
    ) as connection:
        yield Talk(connection, beta=beta)


async def refused(url: str, query: str = "model=m", **options: Any) -> tuple[int, dict[str, Any]]:
    """Status and error of a handshake that is refused."""
    try:
        async with websockets.connect(socket_url(url, query), **options):
            raise AssertionError("the handshake was not refused")
    except websockets.InvalidStatus as error:
        body = msgspec.json.decode(error.response.body)
        return error.response.status_code, body["error"]
