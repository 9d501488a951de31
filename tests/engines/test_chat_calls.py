"""Tool calls in pieces of every kind, and whole answers of servers byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engines import recordings
from tests.engines.chatting import DONE, PROMPT, USAGE, chunks, delta, failure
from tests.engines.played import endpoint, head
from vivavoce.call.ports import (
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
)
from vivavoce.engines.cascade.chat import ChatModel
from vivavoce.engines.cascade.steady import SteadyModel


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
        ([piece(0, "a", arguments='{"x":1}'), piece(0, name="find")], [FIND]),
        ([piece(0, name="find"), piece(0, "a", arguments=""), piece(0, "b", name="list", arguments='{"x":2}')], [("find", "{}"), LIST]),
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
    ids=["name in pieces", "name that grows", "name again", "name again without id", "name last", "name behind all", "id behind the name", "ids alone", "first id alone", "whole",
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
