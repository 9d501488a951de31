"""What holds for every REST endpoint: the door, the bounds, and that nobody works for a client who has gone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import APITimeoutError, AsyncOpenAI, AuthenticationError, RateLimitError

from tests.server.rest.rig import client, wav
from tests.server.rig import server
from vivavoce.server.rest import route

SLOW_MS = 60_000
PATHS = ("/v1/audio/speech", "/v1/audio/transcriptions", "/v1/responses", "/v1/chat/completions")


async def read(ask: Any) -> None:
    """Responses begin at once; then nothing comes."""
    async for _ in await ask:
        pass


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_hangs_up_frees_its_seat(tmp_path: Path, stream: bool) -> None:
    """There is one seat only: the last request is answered if all before it have let go."""
    async with client(tmp_path, rest__at_once=1, scripted__llm_delay_ms=SLOW_MS) as openai:
        for ask in (
            openai.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hello"}], stream=stream, timeout=0.5
            ),
            openai.responses.create(model="m", input="hello", stream=stream, timeout=0.5),
        ):
            with pytest.raises(APITimeoutError):
                await read(ask)
        said = await openai.audio.speech.create(model="m", voice="alloy", input="Hi.", response_format="pcm")
        assert said.content


async def test_a_recognition_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    async with client(tmp_path, rest__at_once=1, scripted__stt_delay_ms=SLOW_MS) as openai:
        with pytest.raises(APITimeoutError):
            await openai.audio.transcriptions.create(model="m", file=("a.wav", wav()), timeout=0.5)
        assert (await openai.responses.create(model="m", input="hello")).output_text


async def test_a_stream_that_is_left_in_the_middle_frees_its_seat(tmp_path: Path) -> None:
    async with client(tmp_path, rest__at_once=1) as openai:
        for _ in range(3):
            async with openai.audio.speech.with_streaming_response.create(
                model="m", voice="alloy", input="A long story. " * 250, response_format="pcm"
            ) as reply:
                await anext(reply.iter_bytes(1024))
        assert (await openai.responses.create(model="m", input="hello")).output_text


async def test_more_than_can_wait_are_sent_away(tmp_path: Path) -> None:
    async with client(tmp_path, rest__at_once=1, scripted__llm_delay_ms=SLOW_MS) as openai:
        asking = [
            asyncio.create_task(openai.responses.create(model="m", input="hello")) for _ in range(1 + 8 + 1)
        ]
        done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        (refused,) = [task.exception() for task in done]
        assert isinstance(refused, RateLimitError)
        assert refused.response.headers["retry-after"] == "1"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_nobody_uploads_anything_before_being_let_in(tmp_path: Path) -> None:
    async with client(tmp_path, auth__keys=("right",)) as openai:
        with pytest.raises(AuthenticationError):
            await openai.audio.transcriptions.create(model="m", file=("a.wav", b"no sound"))
        with pytest.raises(AuthenticationError):
            await openai.responses.retrieve("resp_1")
    async with server(tmp_path, auth__keys=("right",)) as url:
        host, port = url.removeprefix("http://").split(":")
        for path in PATHS:
            reader, writer = await asyncio.open_connection(host, int(port))
            head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n"
            writer.write(head.encode())  # and never a body
            answer = await asyncio.wait_for(reader.readline(), 20)
            writer.close()
            await writer.wait_closed()
            assert b" 401 " in answer


async def test_foreign_pages_are_refused(tmp_path: Path) -> None:
    async with server(tmp_path) as url, httpx.AsyncClient(headers={"origin": "https://evil.example"}) as http:
        for path in PATHS:
            refused = await http.post(url + path, json={})
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "origin_not_allowed")


async def test_an_engine_of_one_piece_says_that_it_has_no_stages(tmp_path: Path) -> None:
    from fastapi import FastAPI

    from vivavoce.call.settings import Settings
    from vivavoce.server.auth import Authority
    from vivavoce.server.rest.mount import mount_rest
    from vivavoce.testing.puppet import PuppetEngine

    app, settings = FastAPI(), Settings(data_dir=str(tmp_path))
    app.state.authority = Authority(settings)
    mount_rest(app, settings, PuppetEngine())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        refused = await http.post("/v1/responses", json={"model": "m", "input": "hello"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (501, "unsupported_endpoint")


async def test_a_body_above_its_limit_is_told_that_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "MAX_JSON_BYTES", 1000)
    async with server(tmp_path) as url, httpx.AsyncClient(base_url=url) as http:
        for path in ("/v1/audio/speech", "/v1/responses", "/v1/chat/completions"):
            answer = await http.post(path, json={"input": "x" * 1000})
            assert answer.status_code == 413, path
            assert "content size limit (1000) exceeded" in answer.json()["error"]["message"]


async def test_a_body_that_does_not_arrive_gives_its_seat_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "UPLOAD_TIMEOUT_S", 0.2)
    async with server(tmp_path, rest__at_once=1) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/responses HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        writer.write(head.encode() + b'{"model":')  # and no more
        answer = await asyncio.wait_for(reader.readuntil(b"}}"), 20)
        writer.close()
        await writer.wait_closed()
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="local") as openai:
            assert (await openai.responses.create(model="m", input="hello")).status == "completed"
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not arrive in time" in answer
