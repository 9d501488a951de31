"""The chat client against a real HTTP server on loopback that plays what real servers send."""

from __future__ import annotations

import msgspec
import pytest

from tests.engines.chatting import DONE, KEY, PROMPT, TOOLS, USAGE, call, chunks, delta, failure, refusal
from tests.engines.played import answered, endpoint, event, head
from vivavoce.call.ports import (
    ModelControl,
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
    Prompt,
)
from vivavoce.engines.addresses import same_address
from vivavoce.engines.cascade.chat import ChatModel

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


# --- fields a server refuses ------------------------------------------------------------------------------------------------


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
