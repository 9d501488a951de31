"""What chat endpoints get wrong, addresses and keys as people write them, and connections that come and go."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from tests.engines.chatting import (
    DONE,
    GOOD,
    KEY,
    PROMPT,
    all_of,
    answer_and_stay,
    call,
    chunks,
    delta,
    failure,
    refusal,
)
from tests.engines.played import endpoint, event, head
from tests.ports import free_port
from vivavoce.call.ports import (
    ModelChunk,
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
    Prompt,
)
from vivavoce.engines.cascade import chat, chat_chunks, remote
from vivavoce.engines.cascade.chat import ChatModel
from vivavoce.protocol.errors import EngineError

# --- failures -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        ("401 Unauthorized", False),
        ("404 Not Found", False),
        ("429 Too Many", True),
        ("500 Oops", True),
        ("503 Busy", True),
    ],
)
async def test_a_status_names_the_host_but_never_the_key(status: str, retryable: bool) -> None:
    async with endpoint(refusal(f"bad key {KEY}", status)) as (_, url):
        error = await failure(url, key=KEY)
    assert error.retryable is retryable
    assert status.split()[0] in str(error)
    assert "127.0.0.1" in str(error)
    assert "bad key" in str(error)
    assert KEY not in str(error)


async def test_a_server_without_tls_where_it_should_have_some_is_told_from_one_that_is_not_there() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        error = str(await failure(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"))
    assert "SSL" in error
    assert "is it running" not in error


async def test_a_name_that_nobody_knows() -> None:
    assert "ame" in str(await failure("http://models.invalid/v1")).partition("cannot be reached: ")[2]


async def test_a_host_that_takes_no_connection_costs_no_more_than_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "CONNECT_S", 0.1)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # until nobody else gets in
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        error = await failure(f"http://127.0.0.1:{port}/v1")
        for one in waiting:
            one.close()
    assert error.retryable
    assert str(error).endswith("cannot be reached within 0.1 s")


async def test_nobody_listens() -> None:
    port = free_port()
    error = await failure(f"http://127.0.0.1:{port}/v1")
    assert error.retryable
    assert f"127.0.0.1:{port}" in str(error)


async def test_no_first_token_in_time_although_the_connection_is_kept_alive() -> None:
    never = asyncio.Event()
    comments = [b": ping\n\n"] * 3
    async with endpoint([head(), *comments, never]) as (_, url):
        error = await failure(url, first_token_s=0.1)
    assert error.retryable
    assert "no token within 0.1 s" in str(error)


async def test_no_answer_at_all_in_time() -> None:
    async with endpoint([asyncio.Event()]) as (_, url):
        assert "no token within 0.1 s" in str(await failure(url, first_token_s=0.1))


async def test_silence_between_tokens() -> None:
    async with endpoint([head(), delta({"content": "One"}), asyncio.Event()]) as (_, url):
        error = await failure(url, between_tokens_s=0.1)
    assert "nothing more for 0.1 s" in str(error)


async def test_silence_after_the_end_is_no_failure() -> None:
    async with endpoint([head(), delta({"content": "One"}, "stop"), asyncio.Event()]) as (_, url):
        assert await chunks(url, between_tokens_s=0.1) == [ModelText("One"), ModelStop("stop")]


async def test_calls_do_not_wait_for_a_usage_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_USAGE_S", 0.1)
    calls = delta({"tool_calls": [call(0, name="find", arguments="{}")]}, "tool_calls")
    answer: list[bytes | asyncio.Event] = [head(), calls, asyncio.Event()]
    async with endpoint(answer) as (_, url), asyncio.timeout(20):
        got = await chunks(url, between_tokens_s=60)
    assert got == [ModelToolCall(0, "find", "{}"), ModelStop("stop")]


async def test_an_end_that_comes_without_anything() -> None:
    end = event({"choices": [{"index": 0, "finish_reason": "length"}]})
    async with endpoint([head(), delta({"content": "One"}), end]) as (_, url):
        assert await chunks(url) == [ModelText("One"), ModelStop("max_output_tokens")]


async def test_an_empty_reason_is_none() -> None:
    answer: list[bytes | asyncio.Event] = [head(), delta({"content": "One"}, ""), asyncio.Event()]
    async with endpoint(answer) as (_, url):
        assert "nothing more" in str(await failure(url, between_tokens_s=0.1))


async def test_a_stream_behind_a_byte_order_mark() -> None:
    mark, body = b"\xef\xbb\xbf", delta({"content": "One"}, "stop") + DONE
    async with endpoint([head(), mark[:1], mark[1:], body]) as (_, url):
        assert await chunks(url) == [ModelText("One"), ModelStop("stop")]


@pytest.mark.parametrize(
    "last",
    [
        [delta({"content": "One"}, "stop"), DONE],
        [delta({"content": "One"}, "stop") + DONE],
        [delta({"content": "One"}), DONE],
    ],
)
async def test_nobody_waits_for_a_server_that_says_it_is_done_and_holds_the_line(last: list[bytes]) -> None:
    async with (
        endpoint([head(), *last, asyncio.Event()]) as (_, url),
        asyncio.timeout(20),
    ):
        assert await chunks(url, between_tokens_s=60) == [ModelText("One"), ModelStop("stop")]


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"prompt_tokens": 11, "completion_tokens": 4}, [ModelUsage(11, 4)]),
        ({"prompt_tokens": 11, "completion_tokens": None}, []),
        ({"prompt_tokens": 11}, []),
        (None, []),
    ],
)
async def test_usage_by_itself_counts_where_it_is_whole(usage: Any, told: list[ModelChunk]) -> None:
    answer = [head(), delta({"content": "One"}, "stop"), event({"usage": usage}), DONE]
    async with endpoint(answer) as (_, url):
        assert await chunks(url) == [ModelText("One"), *told, ModelStop("stop")]


async def test_an_error_in_the_stream() -> None:
    answer = [
        head(),
        delta({"content": "One"}),
        event({"error": {"message": f"out of memory, {KEY}", "code": 500}}),
    ]
    async with endpoint(answer) as (_, url):
        error = await failure(url, key=KEY)
    assert "out of memory" in str(error)
    assert KEY not in str(error)


@pytest.mark.parametrize(
    "body", [b'{"error":"model not loaded"}', b'\n[{"error":{"message":"model not loaded"}}]']
)
async def test_an_error_with_status_200(body: bytes) -> None:
    async with endpoint([head(kind="application/json"), body]) as (_, url):
        assert "reported an error: model not loaded" in str(await failure(url))


async def test_a_page_of_something_in_between_is_told_by_its_title() -> None:
    pages = (
        b"<html><head><title>502 Bad\n Gateway</title></head><body><h1>502</h1></body></html>",
        b"<p>No <b>route</b></p><script>x()</script>",
    )
    for page, told in zip(pages, ("502 Bad Gateway", "No route"), strict=True):
        async with endpoint([head("502 Bad", "text/html"), page]) as (_, url):
            assert str(await failure(url)).endswith(f"answered 502: {told}")


async def test_no_page_takes_long() -> None:
    began = time.process_time()
    async with endpoint([head("502 Bad", "text/html"), b"<script" * 9000]) as (_, url):
        assert "answered 502" in str(await failure(url))
    assert time.process_time() - began < 1


async def test_an_address_that_moved_is_told() -> None:
    moved = b"HTTP/1.1 301 Moved\r\nlocation: https://models.example/v1\r\ncontent-length: 0\r\n\r\n"
    async with endpoint([moved]) as (_, url):
        assert str(await failure(url)).endswith("answered 301: it has moved to https://models.example/v1")


# --- addresses as people write them -------------------------------------------------------------------------------------------

NOT_FOUND = b"HTTP/1.1 404 No\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nno\n"
NO_MODEL = b'HTTP/1.1 404 No\r\ncontent-type: application/json\r\ncontent-length: 25\r\n\r\n{"error":"no such model"}'


async def test_an_address_without_v1_is_completed_once() -> None:
    async with endpoint([NOT_FOUND], answer_and_stay(), GOOD) as (played, url):
        model = ChatModel(url.removesuffix("v1"), "small")
        for _ in range(2):
            assert [chunk async for chunk in model.stream(PROMPT)] == [ModelText("Hi"), ModelStop("stop")]
        await model.close()
    assert [one.split()[1] for one in played.heads] == ["/chat/completions", *["/v1/chat/completions"] * 2]
    assert len(played.bodies) == 3


async def test_an_address_without_v1_is_completed_once_by_whoever_asks_at_the_same_time() -> None:
    paths: list[str] = []
    both = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        paths.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
        if len(paths) == 2:
            both.set()
        await both.wait()
        missing = paths[-1] == "/chat/completions"
        writer.write(NOT_FOUND if missing else head() + delta({}, "stop") + DONE)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        model = ChatModel(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "small")
        for _ in range(2):
            got = await asyncio.gather(all_of(model), all_of(model))
        await model.close()
    assert list(got) == [[ModelStop("stop")]] * 2
    assert paths == ["/chat/completions"] * 2 + ["/v1/chat/completions"] * 4


@pytest.mark.parametrize(
    ("second", "told"), [(NO_MODEL, "answered 404: no such model"), (NOT_FOUND, "answered 404: no")]
)
async def test_an_address_below_which_nothing_answers_either(second: bytes, told: str) -> None:
    async with endpoint([NOT_FOUND], [second]) as (_, url):
        assert str(await failure(url.removesuffix("/v1"))).endswith(told)


@pytest.mark.parametrize("end", ["", "/", "/chat/completions", "?api-version=1&api-key=qwertz"])
async def test_forms_of_an_address(end: str) -> None:
    async with endpoint(GOOD, refusal("not qwertz")) as (played, url):
        assert await chunks(url + end) == [ModelText("Hi"), ModelStop("stop")]
        error = str(await failure(url + end))
    query = end if end.startswith("?") else ""
    assert [one.split()[1] for one in played.heads] == [f"/v1/chat/completions{query}"] * 2
    assert error.endswith("not ***" if query else "not qwertz")


async def test_a_query_is_sent_with_the_warming_too() -> None:
    async with endpoint() as (played, url):
        model = ChatModel(f"{url}?api-version=1", "small")
        model.warm()
        await model._remote._warming  # type: ignore[misc]
        await model.close()
    assert played.heads[0].startswith("GET /v1/models?api-version=1 ")


@pytest.mark.parametrize(
    "line",
    [
        event({"object": "error", "message": "out of memory", "code": 500}),
        b'error: {"code":500,"message":"out of memory"}\n\n',
        event({"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": "out of memory"}}]}),
        b'event: error\ndata: {"code":500,"message":"out of memory"}\n\n',
        b'event: error\ndata: {"error":{"message":"out of memory"}}\n\n',
        b"event:error\ndata:out of memory\n\n",
        b"event: error\ndata: {}\n\n",
    ],
    ids=[
        "vllm",
        "llama-server",
        "openrouter",
        "named",
        "named and whole",
        "named, in words",
        "named, and nothing",
    ],
)
async def test_errors_in_the_stream_of_each_server(line: bytes) -> None:
    async with endpoint([head(), delta({"content": "One"}), line]) as (_, url):
        error = str(await failure(url))
    assert (
        "reported an error: "
        + ("no more than that" if b"{}" in line[-6:] and b"event: error" in line else "out of memory")
        in error
    )


@pytest.mark.parametrize(
    "nonsense",
    [
        b"<html><body>It works!</body></html>\n\n",
        b"data: {broken\n\n",
        b"data: [1, 2]\n\n",
        b"data: {}\n\n",
        b"",
        b'{"a": 1}',
    ],
)
async def test_nonsense_is_an_error_and_no_hang(nonsense: bytes) -> None:
    async with endpoint([head(), nonsense]) as (_, url):
        assert "does not answer like a chat endpoint" in str(await failure(url))


async def test_endless_noise_ends_at_the_deadline() -> None:
    async with endpoint([head(), b"data: never ends", asyncio.Event()]) as (_, url):
        assert "no token" in str(await failure(url, first_token_s=0.1))


async def test_a_connection_that_breaks_in_the_middle() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    piece = delta({"content": "One"})
    async with endpoint([chunked, f"{len(piece):x}\r\n".encode() + piece + b"\r\n"]) as (_, url):
        error = await failure(url)
    assert error.retryable
    assert "broke off" in str(error)


async def test_closing_the_iterator_closes_the_connection() -> None:
    async with endpoint([head(), delta({"content": "One"}), asyncio.Event()]) as (played, url):
        model = ChatModel(url, "small")
        stream = model.stream(PROMPT)
        assert await anext(stream) == ModelText("One")
        await stream.aclose()
        await asyncio.wait_for(played.gone.wait(), 2)
        await model.close()


async def test_cancelling_the_task_closes_the_connection() -> None:
    async with endpoint([head(), asyncio.Event()]) as (played, url):
        task = asyncio.create_task(chunks(url))
        await asyncio.wait_for(played.asked.wait(), 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(played.gone.wait(), 2)


def test_an_address_must_be_http() -> None:
    with pytest.raises(EngineError, match="http://"):
        ChatModel("localhost:8080/v1", "small")


async def test_a_key_is_sent_without_what_stands_around_it() -> None:
    async with endpoint(GOOD) as (played, url):
        await chunks(url, Prompt(PROMPT.messages, effort="low"), key=" sk-1\n")
    assert "authorization: Bearer sk-1\r\n" in played.heads[0]
    assert played.bodies[0]["reasoning_effort"] == "low"


@pytest.mark.parametrize("key", ["\u201csk-1\u201d", "sk\n1", "sk\x001"])
def test_a_key_that_cannot_be_one(key: str) -> None:
    with pytest.raises(EngineError, match="the key of the language model has a character") as caught:
        ChatModel("http://127.0.0.1/v1", "small", key)
    assert key not in str(caught.value)


async def test_a_stream_that_just_ends_was_an_answer() -> None:
    async with endpoint([head(), delta({"content": "One"})]) as (_, url):
        assert await chunks(url) == [ModelText("One"), ModelStop("stop")]


def test_the_name_does_not_show_credentials() -> None:
    assert ChatModel("http://me:word@models.example:81/v1", "small", KEY).name == "small at models.example:81"


def test_the_environment_is_never_asked_for_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert KEY not in repr(vars(ChatModel("http://127.0.0.1/v1", "small")))


async def test_a_warm_connection_is_used_by_the_first_request_and_by_the_next() -> None:
    body = delta({"content": "Hi"}, "stop") + DONE
    answer = (
        f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    async with endpoint([answer], [answer]) as (played, url):
        model = ChatModel(url, "small", KEY)
        model.warm()
        model.warm()
        await asyncio.wait_for(played.asked.wait(), 2)
        await model._remote._warming  # type: ignore[misc]  # until the answer is read and the connection free
        for _ in range(2):
            assert [chunk async for chunk in model.stream(PROMPT)] == [ModelText("Hi"), ModelStop("stop")]
        await model.close()
    assert [one.split()[:2] for one in played.heads] == [
        ["GET", "/v1/models"],
        *[["POST", "/v1/chat/completions"]] * 2,
    ]
    assert KEY in played.heads[0]
    assert played.connections == 1


async def test_a_pooled_connection_that_the_server_closed_is_no_failure() -> None:
    body = delta({"content": "Hi"}, "stop") + DONE
    answer = (
        f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    async with endpoint([answer], [], [answer]) as (played, url):
        model = ChatModel(url, "small")
        for _ in range(2):
            assert [chunk async for chunk in model.stream(PROMPT)] == [ModelText("Hi"), ModelStop("stop")]
        await model.close()
    assert len(played.bodies) == 3


async def test_a_name_and_password_in_the_address_are_sent_where_there_is_no_key_and_never_repeated() -> None:
    refusal = [
        head("401 Unauthorized", "application/json"),
        b'{"error": {"message": "not hunter2 (YW5uOmh1bnRlcjI=)"}}',
    ]
    for key, sent in (("sk-1", "Bearer sk-1"), (None, "Basic YW5uOmh1bnRlcjI=")):
        async with endpoint(refusal) as (played, url):
            error = await failure(url.replace("//", "//ann:hunter2@"), key=key)
        assert f"authorization: {sent}\r\n" in played.heads[0]
        assert error.message.endswith("answered 401: not *** (***)")
        assert "ann" not in error.message


def test_a_line_or_a_body_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_chunks, "_LONGEST_LINE", 1000)
    for reader in (chat_chunks.EventReader(), chat_chunks.BodyReader()):
        assert list(reader.feed(b"data: " + b"x" * 500)) == []
        with pytest.raises(chat_chunks.Nonsense, match="without end"):
            list(reader.feed(b"x" * 600))
