"""Clients that do not read, many at once, and the end of the server."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pybase64
import pytest
import websockets

from tests.server.rig import Talk, openai_client, raw_client, server, socket_url

LIMIT = 3_000_000
"""More than a story, which is written in one go."""


async def overwhelm(deaf: Talk) -> None:
    """Ask for story after story (24 s of audio, 1.5 MB each) and read nothing; what the kernel holds on loopback fills up."""
    for _ in range(100):
        await deaf.say("Tell me a story.")
        await deaf.send("response.cancel")


async def read_on(socket: websockets.ClientConnection) -> None:
    """Read whatever still comes, up to the end."""
    async for _ in socket:
        pass


async def test_a_client_that_does_not_read_is_bounded_and_alone(tmp_path: Path) -> None:
    async with (
        server(tmp_path, server__max_unsent_bytes=LIMIT, session__output_lead_ms=0) as url,
        websockets.connect(socket_url(url), max_size=None, max_queue=1, compression=None) as socket,
        asyncio.timeout(30),
    ):
        with contextlib.suppress(websockets.ConnectionClosed):
            await overwhelm(Talk(socket))
        async with openai_client(url) as other:
            await other.say("hello")
            assert (await other.until("response.done"))["response"]["status"] == "completed"
        with contextlib.suppress(websockets.ConnectionClosed):
            await read_on(socket)
        assert (socket.close_code, socket.close_reason) == (1008, "the client does not read what it is sent")


async def test_many_clients_at_once(tmp_path: Path) -> None:
    async def turn(url: str) -> str:
        async with raw_client(url) as talk:
            await talk.speak()
            done = (await talk.until("response.done"))["response"]
            return str(done["status"])

    async with server(tmp_path) as url:
        assert await asyncio.gather(*(turn(url) for _ in range(10))) == ["completed"] * 10


async def test_clients_are_told_when_the_server_stops(tmp_path: Path) -> None:
    running = server(tmp_path)
    url = await running.__aenter__()
    async with websockets.connect(socket_url(url)) as socket:
        assert (await Talk(socket).next())["type"] == "session.created"
        stopping = asyncio.create_task(running.__aexit__(None, None, None))
        with pytest.raises(websockets.ConnectionClosed) as closed:
            async with asyncio.timeout(10):
                await socket.recv()
        await stopping
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code in (1001, 1012)


async def test_a_call_ends_with_its_socket(tmp_path: Path) -> None:
    """A client that vanishes in the middle of an answer leaves nothing behind; the next one is served."""
    async with server(tmp_path) as url:
        for _ in range(3):
            async with raw_client(url) as talk:
                await talk.say("Tell me a story.")
                await talk.until("response.output_audio.delta")
        async with raw_client(url) as talk:
            await talk.say("hello")
            assert (await talk.until("response.done"))["response"]["status"] == "completed"


async def test_a_long_message_and_many_behind_it_are_served_in_order(tmp_path: Path) -> None:
    """The inbox fills, reading is switched off, and goes on when there is room."""
    async with server(tmp_path) as url, raw_client(url) as talk:
        await talk.send("input_audio_buffer.append", audio=pybase64.b64encode_as_string(bytes(48_000 * 60)))
        for n in range(300):
            await talk.send("response.cancel", event_id=f"e{n}")
        for n in range(300):
            assert (await talk.until("error"))["error"]["event_id"] == f"e{n}"


async def test_text_that_is_no_utf_8_closes_the_socket(tmp_path: Path) -> None:
    async with server(tmp_path) as url, websockets.connect(socket_url(url)) as socket:
        await socket.send(b"\xff\xfe", text=True)
        with contextlib.suppress(websockets.ConnectionClosed):
            await read_on(socket)
        assert socket.close_code == 1007
