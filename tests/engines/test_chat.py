"""The chat client against a real HTTP server on loopback that plays what real servers send, and what broken ones do."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import msgspec
import pytest

from tests.engines import recordings
from tests.engines.played import answered, endpoint, event, head
from tests.ports import free_port
from vivavoce.call.ports import (
    ModelChunk,
    ModelControl,
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
    Prompt,
)
from vivavoce.engines.addresses import same_address
from vivavoce.engines.cascade import chat, chat_chunks, remote
from vivavoce.engines.cascade.chat import ChatModel
from vivavoce.engines.cascade.steady import SteadyModel
from vivavoce.protocol.errors import EngineError

KEY = "sk-very-secret-0123456789"
PROMPT = Prompt(({"role": "user", "content": "hello"},))
TOOLS = (
    {"type": "function", "function": {"name": "find", "description": "", "parameters": {"type": "object"}}},
)


def delta(content: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
    body = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": content, "finish_reason": reason}],
    }
    return event(body | more)


def call(index: int | None, **function: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "function", "function": function}
    return entry if index is None else entry | {"index": index}


DONE = b"data: [DONE]\n\n"
USAGE = event({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}})


def answer_and_stay() -> list[bytes | asyncio.Event]:
    """An answer after which the connection serves again."""
    body = delta({"content": "Hi"}, "stop") + DONE
    top = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
    return [top.encode() + body]


async def all_of(model: ChatModel) -> list[ModelChunk]:
    return [chunk async for chunk in model.stream(PROMPT)]


async def chunks(url: str, prompt: Prompt = PROMPT, **settings: Any) -> list[ModelChunk]:
    model = ChatModel(url, "small", settings.pop("key", None), **settings)
    try:
        return [chunk async for chunk in model.stream(prompt)]
    finally:
        await model.close()


async def failure(url: str, **settings: Any) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await chunks(url, **settings)
    assert caught.value.stage == "llm"
    return caught.value


# --- what real servers send ---------------------------------------------------------------------------------------------


async def test_the_shape_of_openai() -> None:
    answer = [head(), delta({"role": "assistant", "content": ""}), delta({"content": "Hel"}), delta({"content": "lo."}),
              delta({}, "stop"), USAGE, DONE]  # fmt: skip
    async with endpoint(answer) as (played, url):
        assert await chunks(url, key=KEY) == [
            ModelText("Hel"),
            ModelText("lo."),
            ModelUsage(11, 4),
            ModelStop("stop"),
        ]
    assert played.bodies[0] == {
        "model": "small",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert f"authorization: Bearer {KEY}" in played.heads[0]
    assert played.heads[0].startswith("POST /v1/chat/completions ")


async def test_the_shape_of_vllm_with_interleaved_calls_and_reasoning() -> None:
    answer = [
        head(),
        delta({"role": "assistant", "content": None, "reasoning_content": "The user wants two things."}),
        delta({"reasoning_content": " So I call two tools."}),
        delta({"tool_calls": [call(0, name="find", arguments="") | {"id": "a"}]}),
        delta({"tool_calls": [call(0, arguments='{"x":')]}),
        delta({"tool_calls": [call(1, name="list", arguments="") | {"id": "b"}, call(0, arguments=" 1}")]}),
        delta({"tool_calls": [call(1, arguments="{}")]}, "tool_calls"),
        USAGE,
        DONE,
    ]
    async with endpoint(answer) as (played, url):
        got = await chunks(url, Prompt(PROMPT.messages, TOOLS, "required", False, 50))
    assert got == [
        ModelToolCall(0, "find", ""),
        ModelToolCall(0, "", '{"x":'),
        ModelToolCall(1, "list", ""),
        ModelToolCall(0, "", " 1}"),
        ModelToolCall(1, "", "{}"),
        ModelUsage(11, 4),
        ModelStop("stop"),
    ]
    assert played.bodies[0]["tool_choice"] == "required"
    assert played.bodies[0]["parallel_tool_calls"] is False
    assert played.bodies[0]["max_tokens"] == 50


async def test_the_shape_of_ollama_whole_calls_all_at_index_zero() -> None:
    answer = [
        head(),
        delta(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [call(0, name="find", arguments='{"x":1}') | {"id": "a"}],
            }
        ),
        delta(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [call(0, name="find", arguments='{"x":2}') | {"id": "b"}],
            }
        ),
        delta({"role": "assistant", "content": ""}, "stop"),
        DONE,
    ]
    async with endpoint(answer) as (_, url):
        got = await chunks(url)
    assert got == [
        ModelToolCall(0, "find", '{"x":1}'),
        ModelToolCall(1, "find", '{"x":2}'),
        ModelStop("stop"),
    ]


def piece(index: object = None, id: str | None = None, **function: Any) -> bytes:
    """One piece of a call in a delta of its own, with what a server says of it."""
    given = {"index": index, "id": id}
    entry = {"type": "function", "function": function} | {k: v for k, v in given.items() if v is not None}
    return delta({"tool_calls": [entry]})


FIND, LIST = ("find", '{"x":1}'), ("list", '{"x":2}')


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        ([piece(0, "a", name="fi"), piece(0, name="nd", arguments=""), piece(0, arguments='{"x":1}')], [FIND]),
        ([piece(0, "a", name="fi"), piece(0, name="find", arguments='{"x":1}')], [FIND]),
        ([piece(0, "a", name="find", arguments='{"x"'), piece(0, "a", name="find", arguments=":1}")], [FIND]),
        ([piece(0, name="find", arguments='{"x"'), piece(0, name="find", arguments=":1}"), piece(0, name="find", arguments="")], [FIND]),
        ([piece(0, "a", arguments='{"x":'), piece(0, name="find", arguments="1}")], [FIND]),
        ([piece(None, "a", name="find", arguments=""), piece(None, "b", name="list", arguments=""), piece(None, "a", arguments='{"x":'),
          piece(None, "b", arguments='{"x":2}'), piece(None, "a", arguments="1}")], [FIND, LIST]),
        ([piece(None, "a", name="find", arguments=""), piece(arguments='{"x":'), piece(arguments="1}"),
          piece(None, "b", name="list", arguments=""), piece(arguments='{"x":2}')], [FIND, LIST]),
        ([piece(name="find", arguments='{"x":1}'), piece(name="list", arguments='{"x":2}')], [FIND, LIST]),
        ([delta({"tool_calls": [{"function": {"name": "find"}}, {"function": {"name": "list"}}]}),
          delta({"tool_calls": [{"function": {"arguments": '{"x":1}'}}, {"function": {"arguments": '{"x":2}'}}]})], [FIND, LIST]),
        ([piece(0, name="find", arguments='{"x":1}'), piece(0, name="list", arguments='{"x":2}')], [FIND, LIST]),
        ([piece(0, "", name="find", arguments='{"x":1}'), piece(0, "", name="find", arguments='{"x":2}')], [FIND, ("find", '{"x":2}')]),
        ([piece(0, "call_0", name="find", arguments='{"x":1}'), piece(0, "call_0", name="list", arguments='{"x":2}')], [FIND, LIST]),
        ([piece(0, name="find", arguments="{}"), piece(0, name="find", arguments='{"x":1}')], [("find", '{}{"x":1}')]),
        ([piece("0", "a", name="find", arguments='{"x":'), piece("1", "b", name="list"), piece("0", arguments="1}"),
          piece("1", arguments='{"x":2}')], [FIND, LIST]),
        ([delta({"tool_calls": [{"index": 0, "id": "a", "name": "find", "arguments": '{"x":1}'}]})], [FIND]),
        ([piece(0, "a", name="find", arguments={"x": 1})], [FIND]),
        ([piece(0, "a", name="find", arguments=None)], [("find", "{}")]),
        ([delta({"content": '<tool_call>{"name": "list", "arguments": {"x":2}}</tool_call>'}), piece(name="find", arguments='{"x":'),
          piece(arguments="1}")], [LIST, FIND]),
        ([delta({"content": '[TOOL_CALLS][{"name": "find", "arguments": {"x":1}}, {"name": "list", "arguments": {"x":2}}]'})], [FIND, LIST]),
        ([delta({"content": '[TOOL_CALLS]find[ARGS]{"x":1}[TOOL_CALLS]list[ARGS]{"x":2}</s>'})], [FIND, LIST]),
        ([delta({"content": "[TOOL_CALLS]find[ARGS]{no"})], [("find", "{no")]),
        ([delta({"content": "[TOOL_CALLS][]"})], [("", "[]")]),
        ([delta({"content": '[TOOL_CALLS][{"name": "find"}, {"x": 1}]'})], [("", '[{"name": "find"}, {"x": 1}]')]),
        ([piece(0, name="find", arguments='{"x":'), piece(0, "a", arguments="1}"), piece(0, "b", name="list", arguments='{"x":2}')], [FIND, LIST]),
        ([delta({"content": "[TOOL_CALLS]find{} and more"})], [("", "find{} and more")]),
        ([delta({"content": '<|python_tag|>{"name": "find", "parameters": {"x":1}}<|eom_id|>'})], [FIND]),
    ],
    ids=["name in pieces", "name that grows", "name again", "name again without id", "name last", "ids alone", "first id alone", "whole",
         "by place", "index 0, no id", "empty ids", "one id for all", "empty first", "digits", "flat", "object", "none", "written too",
         "mistral", "mistral new", "mistral cut", "mistral empty", "mistral in part", "late id", "mistral and words", "llama"],
)  # fmt: skip
async def test_calls_in_pieces_of_every_kind(pieces: list[bytes], calls: list[tuple[str, str]]) -> None:
    async with endpoint([head(), *pieces, delta({}, "tool_calls"), USAGE, DONE]) as (_, url):
        got = await chunks(url)
    found: dict[int, tuple[str, str]] = {}
    for one in got:
        if isinstance(one, ModelToolCall):
            name, arguments = found.get(one.index, ("", ""))
            found[one.index] = name + one.name, arguments + one.arguments
    assert list(found.values()) == calls
    assert sorted(found) == list(range(len(calls)))
    assert not [one for one in got if isinstance(one, ModelText)]


async def test_the_shape_of_llama_server_with_crlf_comments_and_no_done() -> None:
    answer = [
        head(),
        b": keep-alive\r\n\r\n",
        delta({"content": "One "}).replace(b"\n", b"\r\n"),
        b"event: message\r\nid: 7\r\n" + delta({"content": "two"}).replace(b"\n", b"\r\n"),
        delta({}, "length", usage={"prompt_tokens": 3, "completion_tokens": 2}, timings={"predicted_ms": 1}),
    ]
    async with endpoint(answer) as (_, url):
        assert await chunks(url) == [
            ModelText("One "),
            ModelText("two"),
            ModelUsage(3, 2),
            ModelStop("max_output_tokens"),
        ]


async def test_events_cut_anywhere() -> None:
    body = delta({"content": "häuser"}) + delta({}, "content_filter") + DONE
    answer = [head(), *(body[at : at + 1] for at in range(len(body)))]
    async with endpoint(answer) as (_, url):
        assert await chunks(url) == [ModelText("häuser"), ModelStop("content_filter")]


async def test_calls_without_arguments_get_an_empty_object() -> None:
    answer = [head(), delta({"tool_calls": [call(None, name="find")]}), delta({}, "tool_calls"), DONE]
    async with endpoint(answer) as (_, url):
        assert await chunks(url) == [
            ModelToolCall(0, "find", ""),
            ModelToolCall(0, "", "{}"),
            ModelStop("stop"),
        ]


async def test_a_server_that_ignores_streaming() -> None:
    body = {
        "choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    async with endpoint([head(kind="application/json"), msgspec.json.encode(body)]) as (_, url):
        assert await chunks(url) == [ModelText("Hi."), ModelUsage(1, 2), ModelStop("stop")]


async def test_thoughts_between_tags_are_not_spoken() -> None:
    pieces = ["<th", "ink>I ponder", " long</thi", "nk>\n\nIt is", " four."]
    answer = [head(), *(delta({"content": piece}) for piece in pieces), delta({}, "stop"), DONE]
    async with endpoint(answer) as (_, url):
        assert await chunks(url) == [ModelText("It is"), ModelText(" four."), ModelStop("stop")]


async def test_text_that_only_begins_like_a_thought_is_kept() -> None:
    async with endpoint([head(), delta({"content": "<th"}), delta({}, "stop"), DONE]) as (_, url):
        assert await chunks(url) == [ModelText("<th"), ModelStop("stop")]


async def test_reasoning_in_fields_of_its_own_is_not_spoken() -> None:
    answer = [head(), delta({"role": "assistant", "reasoning": "Let me see."}), delta({"reasoning": " Four."}),
              delta({"reasoning_details": [{"text": "x"}], "content": ""}), delta({"content": "Four."}, "stop"), DONE]  # fmt: skip
    async with endpoint(answer) as (_, url):
        assert await chunks(url) == [ModelText("Four."), ModelStop("stop")]


async def test_a_model_whose_server_opens_its_thoughts_is_known_after_the_first() -> None:
    answer = [head(), delta({"content": "I ponder.</think>"}), delta({"content": "Four."}, "stop"), DONE]
    async with endpoint(answer, answer) as (_, url):
        model = ChatModel(url, "small")
        said = [[chunk async for chunk in model.stream(PROMPT)] for _ in range(2)]
        await model.close()
    assert said == [
        [ModelText("I ponder."), ModelText("Four."), ModelStop("stop")],
        [ModelText("Four."), ModelStop("stop")],
    ]


async def test_a_refusal_is_said() -> None:
    answer = [head(), delta({"refusal": "I cannot "}), delta({"refusal": "help with that."}, "stop"), DONE]
    async with endpoint(answer) as (_, url):
        said = await chunks(url)
    assert said == [ModelText("I cannot "), ModelText("help with that."), ModelStop("stop")]


async def test_controls_and_calls_in_words() -> None:
    written = '<tool_call>{"name": "find", "arguments": {"x": 1}}</tool_call><tool_call>what?</tool_call>'
    pieces = ["<preamble>One", " moment.</preamble>", written[:20], written[20:], "<silent/>"]
    answer = [head(), *(delta({"content": piece}) for piece in pieces), delta({}, "stop"), DONE]
    async with endpoint(answer) as (_, url):
        assert await chunks(url) == [
            ModelControl("preamble"),
            ModelText("One"),
            ModelText(" moment."),
            ModelControl("preamble_end"),
            ModelToolCall(0, "find", '{"x":1}'),
            ModelToolCall(1, "", "what?"),
            ModelControl("silent"),
            ModelStop("stop"),
        ]


async def test_the_older_form_of_a_call() -> None:
    answer = [head(), delta({"function_call": {"name": "find", "arguments": '{"x"'}}),
              delta({"function_call": {"arguments": ":1}"}}, "function_call"), DONE]  # fmt: skip
    async with endpoint(answer) as (_, url):
        assert await chunks(url) == [
            ModelToolCall(0, "find", '{"x"'),
            ModelToolCall(0, "", ":1}"),
            ModelStop("stop"),
        ]


async def test_usage_with_every_chunk_and_what_was_cached() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 8}}
    answer = [head(), event({"choices": [], "prompt_filter_results": []}), delta({"content": "Hi"}, usage={"prompt_tokens": 9, "completion_tokens": 0}),
              delta({}, "stop", usage=usage), DONE]  # fmt: skip
    async with endpoint(answer) as (_, url):
        assert await chunks(url) == [ModelText("Hi"), ModelUsage(9, 1, 8), ModelStop("stop")]


SAID, FOUND, LISTED = "One moment.", ("find", '{"x":1}'), ("list", "{}")


@pytest.mark.parametrize("size", [7, 100_000])
@pytest.mark.parametrize(
    ("recording", "said", "calls", "usage"),
    [
        (recordings.OPENAI, SAID, [FOUND, LISTED], ModelUsage(89, 42, 64)),
        (recordings.VLLM, "", [("find", '{"x": 1}')], ModelUsage(166, 24)),
        (recordings.OLLAMA, SAID, [FOUND], ModelUsage(152, 31)),
        (recordings.LLAMA_SERVER, SAID, [FOUND], ModelUsage(301, 18)),
        (recordings.GROQ, SAID, [FOUND], ModelUsage(18, 43)),
        (recordings.LM_STUDIO, SAID, [FOUND], ModelUsage(28, 9)),
        (recordings.LOCALAI, SAID, [FOUND], ModelUsage(40, 12)),
    ],
    ids=["openai", "vllm", "ollama", "llama-server", "groq", "lm studio", "localai"],
)
async def test_recorded_answers_are_the_same_to_a_call(
    recording: bytes, said: str, calls: list[tuple[str, str]], usage: ModelUsage, size: int
) -> None:
    answer = [head(), *(recording[at : at + size] for at in range(0, len(recording), size))]
    async with endpoint(answer) as (_, url):
        model = SteadyModel(ChatModel(url, "small"))
        got = [chunk async for chunk in model.stream(PROMPT)]
        await model.close()
    assert "".join(one.text for one in got if isinstance(one, ModelText)).strip() == said
    assert [(one.name, one.arguments) for one in got if isinstance(one, ModelToolCall)] == calls
    assert got[-2:] == [usage, ModelStop("stop")]


@pytest.mark.parametrize(
    ("recording", "told"),
    [
        (recordings.VLLM_ERROR, "EngineCore encountered an issue."),
        (recordings.OLLAMA_ERROR, "an error was encountered while running the model: unexpected EOF"),
        (recordings.LLAMA_SERVER_ERROR, "context shift is disabled"),
        (recordings.GROQ_ERROR, "over_capacity"),
        (recordings.LM_STUDIO_ERROR, "The model has crashed without additional information. (Exit code: null)"),
    ],
    ids=["vllm", "ollama", "llama-server", "groq", "lm studio"],
)  # fmt: skip
async def test_recorded_errors_are_told_in_their_servers_words(recording: bytes, told: str) -> None:
    async with endpoint([head(), recording]) as (_, url):
        assert str(await failure(url)).endswith(f"reported an error: {told}")


# --- fields a server refuses ------------------------------------------------------------------------------------------------


def refusal(message: str, status: str = "400 Bad Request") -> list[bytes | asyncio.Event]:
    body = msgspec.json.encode({"error": {"message": message, "type": "invalid_request_error"}})
    kind = "application/json"
    return [
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    ]


async def test_stream_options_are_dropped_once_and_for_all() -> None:
    good = [head(), delta({"content": "Hi"}, "stop"), DONE]
    async with endpoint(refusal("Unrecognized request argument: stream_options"), good, good) as (
        played,
        url,
    ):
        model = ChatModel(url, "small")
        for _ in range(2):
            assert [chunk async for chunk in model.stream(PROMPT)] == [ModelText("Hi"), ModelStop("stop")]
        await model.close()
    assert ["stream_options" in body for body in played.bodies] == [True, False, False]


async def test_a_field_is_known_by_its_place_in_the_refusal() -> None:
    detail = [
        {
            "type": "extra_forbidden",
            "loc": ["body", "stream_options"],
            "msg": "Extra inputs are not permitted",
            "input": {},
        }
    ]
    told = msgspec.json.encode({"object": "error", "message": {"detail": detail}})
    again = msgspec.json.encode({"detail": [detail[0] | {"loc": ["body", 0, "messages"]}, {"msg": "more"}]})
    refusals = [answered(body, "application/json", "422 No") for body in (told, again)]
    async with endpoint(*refusals) as (played, url):
        error = await failure(url)
    assert ["stream_options" in body for body in played.bodies] == [True, False]
    assert str(error).endswith("answered 422: body.0.messages: Extra inputs are not permitted")


async def test_the_longer_name_of_max_tokens_is_learnt() -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    async with endpoint(refusal(message), [head(), delta({"content": "Hi"}, "stop"), DONE]) as (played, url):
        await chunks(url, Prompt(PROMPT.messages, max_tokens=9))
    assert "max_tokens" not in played.bodies[1]
    assert played.bodies[1]["max_completion_tokens"] == 9


async def test_a_template_that_wants_turns_and_no_system_message_gets_its_way() -> None:
    messages = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One."},
        {"role": "user", "content": "Two."},
    )
    good = [head(), delta({"content": "Hi"}, "stop"), DONE]
    refusals = (
        refusal("System role not supported", "500 Internal"),
        refusal("Conversation roles must alternate user/assistant/user/assistant/..."),
    )
    async with endpoint(*refusals, good) as (played, url):
        await chunks(url, Prompt(messages))
    assert played.bodies[1]["messages"] == [
        {"role": "user", "content": "Be brief.\n\nOne."},
        {"role": "user", "content": "Two."},
    ]
    assert played.bodies[2]["messages"] == [{"role": "user", "content": "Be brief.\n\nOne.\n\nTwo."}]


async def test_the_same_refusal_twice_is_an_error() -> None:
    twice = refusal("stream_options is not permitted"), refusal("stream_options is not permitted")
    async with endpoint(*twice) as (played, url):
        error = await failure(url)
    assert len(played.bodies) == 2
    assert "400" in str(error)


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
    calls = piece(0, "a", name="find", arguments="{}") + delta({}, "tool_calls")
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


async def test_an_address_that_moved_is_told() -> None:
    moved = b"HTTP/1.1 301 Moved\r\nlocation: https://models.example/v1\r\ncontent-length: 0\r\n\r\n"
    async with endpoint([moved]) as (_, url):
        assert str(await failure(url)).endswith("answered 301: it has moved to https://models.example/v1")


# --- addresses as people write them -------------------------------------------------------------------------------------------

NOT_FOUND = b"HTTP/1.1 404 No\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nno\n"
NO_MODEL = b'HTTP/1.1 404 No\r\ncontent-type: application/json\r\ncontent-length: 25\r\n\r\n{"error":"no such model"}'
GOOD: list[bytes | asyncio.Event] = [head(), delta({"content": "Hi"}, "stop"), DONE]


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


# --- this server itself -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "port", "same"),
    [
        ("http://127.0.0.1:8000/v1", "127.0.0.1", 8000, True),
        ("http://localhost:8000/v1", "127.0.0.1", 8000, True),
        ("http://127.0.0.1:8001/v1", "127.0.0.1", 8000, False),
        ("http://127.0.0.1:8000/v1", "0.0.0.0", 8000, True),
        ("http://0.0.0.0:8000/v1", "127.0.0.1", 8000, True),
        ("http://[::1]:8000/v1", "::", 8000, True),
        ("http://LOCALHOST:8000", "localhost", 8000, True),
        ("http://127.0.0.1/v1", "127.0.0.1", 80, True),
        ("https://127.0.0.1/v1", "127.0.0.1", 443, True),
        ("http://192.0.2.7:8000/v1", "0.0.0.0", 8000, False),
        ("http://192.0.2.7:8000/v1", "127.0.0.1", 8000, False),
        ("not an address", "127.0.0.1", 8000, False),
        ("http://127.0.0.1:99999/v1", "127.0.0.1", 8000, False),
    ],
)
def test_same_address(url: str, host: str, port: int, same: bool) -> None:
    assert same_address(url, host, port) is same


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
