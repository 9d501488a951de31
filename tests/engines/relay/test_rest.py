"""Requests that are no call, through the relay: an unmodified client finds behind it what it finds at one server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, BadRequestError, NotFoundError

from tests.engines.relay.rig import KEY, relay, two_hops
from tests.server.rest.rig import wav
from tests.server.rig import ANSWER

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def openai_at(url: str, key: str = "local") -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=20)


@contextlib.asynccontextmanager
async def through_two(folder: Path, **flags: Any) -> AsyncIterator[AsyncOpenAI]:
    async with (
        two_hops(folder, behind__auth__keys=(KEY,), upstream__key=KEY, **flags) as url,
        openai_at(url) as openai,
    ):
        yield openai


async def test_speech_transcripts_and_answers_are_the_upstreams(tmp_path: Path) -> None:
    async with through_two(tmp_path) as openai:
        pcm = await openai.audio.speech.create(model="m", voice="alloy", input="Hi.", response_format="pcm")
        wave = await openai.audio.speech.create(model="m", voice="alloy", input="Hi.", response_format="wav")
        heard = await openai.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=("a.wav", wav()), prompt="words"
        )
        hello: Any = [{"role": "user", "content": "hello"}]
        said = await openai.chat.completions.create(model="gpt-5", messages=hello)
        chunks = [
            chunk
            async for chunk in await openai.chat.completions.create(
                model="gpt-5", messages=hello, stream=True
            )
        ]
    assert len(pcm.content) > 1000
    assert (wave.content[:4], wave.response.headers["content-type"]) == (b"RIFF", "audio/wav")
    assert heard.text == "hello there"
    assert said.choices[0].message.content == ANSWER
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ANSWER


async def test_a_conversation_of_responses_goes_on_at_the_upstream(tmp_path: Path) -> None:
    async with through_two(tmp_path) as openai:
        first = await openai.responses.create(model="m", input="hello")
        events = [
            event
            async for event in await openai.responses.create(
                model="m", input="and", previous_response_id=first.id, stream=True
            )
        ]
        assert events[-1].type == "response.completed"
        second = events[-1].response
        assert (await openai.responses.retrieve(second.id)).output_text == ANSWER
        items = await openai.responses.input_items.list(second.id, order="asc")
        assert [getattr(item, "role", None) for item in items.data] == ["user", "assistant", "user"]
        await openai.responses.delete(second.id)
        with pytest.raises(NotFoundError):
            await openai.responses.retrieve(second.id)
        # What is wrong with a request the upstream says, in its own words.
        with pytest.raises(BadRequestError) as wrong:
            await openai.responses.create(model="m", input="hello", background=True)
        assert wrong.value.param == "background"


async def test_one_account_there_is_not_one_here(tmp_path: Path) -> None:
    """The upstream sees one key; what was made with one key of ours is nothing that another may see or go on from."""
    async with two_hops(tmp_path, auth__keys=("vv_ann_0001", "vv_ben_0001")) as url:
        async with openai_at(url, "vv_ann_0001") as ann, openai_at(url, "vv_ben_0001") as ben:
            mine = await ann.responses.create(model="m", input="my secret")
            for asked in (ben.responses.retrieve, ben.responses.input_items.list, ben.responses.delete):
                with pytest.raises(NotFoundError):
                    await asked(mine.id)
            with pytest.raises(BadRequestError) as refused:
                await ben.responses.create(model="m", input="and?", previous_response_id=mine.id)
            assert refused.value.code == "previous_response_not_found"
            assert (await ann.responses.retrieve(mine.id)).id == mine.id
        async with openai_at(url, "vv_nobody") as nobody:
            with pytest.raises(APIStatusError) as unknown:
                await nobody.responses.create(model="m", input="hello")
            assert unknown.value.status_code == 401


# --- upstreams that misbehave -----------------------------------------------------------------------------------------------


class Upstream:
    """Reads each request whole, then does what it was told to do next. `asked`: heads of requests; `left`: set when a client has gone."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[str] = []
        self.left = asyncio.Event()
        self._serving: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                (length,) = [
                    int(line.split(":")[1])
                    for line in head.lower().split("\r\n")
                    if line.startswith("content-length")
                ] or [0]
                await reader.readexactly(length)
                if "upgrade: websocket" in head.lower():
                    await telling(404, {})(
                        writer
                    )  # Whether it is ready is asked over a socket, and nothing here.
                    continue
                self.asked.append(head)
                await self.answers.pop(0)(writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            self.left.set()
        finally:
            writer.close()

    async def close(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


@contextlib.asynccontextmanager
async def misbehaving(folder: Path, **flags: Any) -> AsyncIterator[tuple[Upstream, AsyncOpenAI]]:
    upstream = Upstream()
    async with await asyncio.start_server(upstream.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        address = f"ws://127.0.0.1:{port}/v1/realtime"
        async with relay(address, folder, upstream__key=KEY, **flags) as url, openai_at(url) as openai:
            yield upstream, openai
        await upstream.close()


def telling(status: int, body: Any, *headers: str) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        said = json.dumps(body).encode()
        lines = [
            f"HTTP/1.1 {status} X",
            "Content-Type: application/json",
            f"Content-Length: {len(said)}",
            *headers,
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + said)
        await writer.drain()

    return answer


async def hanging_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    raise ConnectionError


async def half_an_answer(writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"id":')
    await writer.drain()
    await hanging_up(writer)


async def nothing(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


SAID = telling(200, {"id": "resp_1", "object": "response", "output": []})


async def ask(openai: AsyncOpenAI, **more: Any) -> Any:
    return await openai.responses.create(model="m", input="hello", **more)


async def failing(openai: AsyncOpenAI) -> APIStatusError:
    with pytest.raises(APIStatusError) as caught:
        await ask(openai)
    return caught.value


async def test_what_goes_up_is_the_request_under_our_key(tmp_path: Path) -> None:
    async with misbehaving(tmp_path) as (upstream, openai):
        upstream.answers.append(SAID)
        await openai.with_options(
            organization="org_1", default_headers={"OpenAI-Beta": "x=1"}, default_query={"a": "b c"}
        ).responses.create(model="m", input="hello")
    head = upstream.asked[0].lower()
    assert head.startswith("post /v1/responses?a=b+c http/1.1\r\n")
    assert f"authorization: bearer {KEY}" in head
    assert "openai-beta: x=1" in head
    assert "accept-encoding: identity" in head  # Whose response it is is read in the answer as it comes.
    assert all(other not in head for other in ("local", "org_1", "x-stainless", "asyncopenai"))


async def test_what_the_upstream_has_deleted_is_not_asked_for_any_more(tmp_path: Path) -> None:
    async with misbehaving(tmp_path) as (upstream, openai):
        upstream.answers.append(SAID)
        made = await ask(openai)
        upstream.answers.append(telling(200, {"id": made.id, "object": "response", "deleted": True}))
        await openai.responses.delete(made.id)
        with pytest.raises(NotFoundError):
            await openai.responses.retrieve(made.id)
        assert [head.split()[0] for head in upstream.asked] == ["POST", "DELETE"]


async def test_a_refusal_of_our_key_is_told_as_what_it_is_and_no_key_with_it(tmp_path: Path) -> None:
    async with misbehaving(tmp_path) as (upstream, openai):
        for status in (401, 403):
            upstream.answers.append(telling(status, {"error": {"message": f"Incorrect API key: {KEY}"}}))
            error = await failing(openai)
            assert (error.status_code, error.code) == (502, "upstream_unauthorized")
            assert KEY not in error.response.text
        upstream.answers.append(telling(400, {"error": {"message": f"no {KEY}", "code": "bad"}}))
        error = await failing(openai)
        assert (error.status_code, error.code) == (400, "bad")
        assert KEY not in error.response.text


async def test_too_much_to_do_is_told_with_the_time_to_wait(tmp_path: Path) -> None:
    async with misbehaving(tmp_path) as (upstream, openai):
        limits = ("Retry-After: 7", "x-ratelimit-remaining-requests: 0", "x-request-id: req_up")
        upstream.answers.append(telling(429, {"error": {"message": "slow down", "code": "busy"}}, *limits))
        error = await failing(openai)
    assert (error.status_code, error.code, error.response.headers["retry-after"]) == (429, "busy", "7")
    assert (error.request_id, "x-ratelimit-remaining-requests" in error.response.headers) == ("req_up", False)


async def test_one_that_hangs_up_or_is_not_there_is_named(tmp_path: Path) -> None:
    async with misbehaving(tmp_path) as (upstream, openai):
        # An idle connection that was closed just then: asked again, over another one.
        upstream.answers.extend([hanging_up, SAID])
        assert (await ask(openai)).id == "resp_1"
        upstream.answers.extend([hanging_up, hanging_up])
        error = await failing(openai)
        assert (error.status_code, error.code) == (503, "upstream_closed")
        assert error.response.headers["retry-after"] == "1"
        upstream.answers.extend([half_an_answer, SAID])
        with pytest.raises(APIConnectionError):  # It had begun: that it is cut short is all that can be told.
            await ask(openai)
        assert (await ask(openai)).id == "resp_1"
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    async with relay(nobody, tmp_path, upstream__key=KEY) as url, openai_at(url) as openai:
        error = await failing(openai)
    assert (error.status_code, error.code) == (503, "upstream_unreachable")
    assert "connection refused" in error.message


async def test_one_that_never_answers_is_given_up_and_a_client_that_leaves_ends_its_request(
    tmp_path: Path,
) -> None:
    async with misbehaving(tmp_path, upstream__answer_ms=200) as (upstream, openai):
        upstream.answers.append(nothing)
        error = await failing(openai)
        assert (error.status_code, error.code) == (503, "upstream_silent")
    async with misbehaving(tmp_path) as (upstream, openai):
        upstream.answers.append(watching(upstream))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(openai), 0.3)
        await asyncio.wait_for(upstream.left.wait(), 10)


def watching(upstream: Upstream) -> Answer:
    """Sends a little for ever, until nobody takes it."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while not writer.is_closing():
            writer.write(b": still here\n\n")
            await writer.drain()
            await asyncio.sleep(0.01)
        raise ConnectionError

    return answer


async def test_with_a_failover_this_server_answers_what_the_upstream_cannot(tmp_path: Path) -> None:
    here = {"relay__failover": "cascade", "vad__kind": "energy"}
    async with misbehaving(tmp_path, **here) as (upstream, openai):
        upstream.answers.append(SAID)
        assert (await ask(openai)).id == "resp_1"
        upstream.answers.append(telling(503, {"error": {"message": "down"}}))
        made = await ask(openai)
        assert made.output_text
        # What was made here goes on here, and what the upstream made cannot.
        assert (await openai.responses.retrieve(made.id)).id == made.id
        assert (await ask(openai, previous_response_id=made.id)).previous_response_id == made.id
        upstream.answers.append(telling(503, {"error": {"message": "down"}}))
        with pytest.raises(APIStatusError) as down:
            await ask(openai, previous_response_id="resp_1")
        assert down.value.status_code == 503
        upstream.answers.append(telling(400, {"error": {"message": "no such field", "code": "unknown"}}))
        assert (await failing(openai)).code == "unknown"
