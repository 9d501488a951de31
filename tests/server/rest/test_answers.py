"""What a model is shown of a request, and what is counted of its answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from tests.engines.cascade.rig import FakeModel
from vivavoce.call.ports import ModelStop, ModelText, ModelUsage, Prompt
from vivavoce.server.rest.chat import Completion
from vivavoce.server.rest.chat_request import ChatRequest
from vivavoce.server.rest.chat_request import prompt_of as chat_prompt_of
from vivavoce.server.rest.office import Office
from vivavoce.server.rest.response_events import Answering
from vivavoce.server.rest.response_request import ResponseRequest, prompt_of

PROMPT = Prompt(({"role": "user", "content": "hello"},))


def model() -> FakeModel:
    return FakeModel([ModelText("Hi."), ModelUsage(900, 10, 768), ModelStop("stop")])


async def test_what_the_model_had_seen_before_is_told_by_responses() -> None:
    async def keep(response: dict[str, Any]) -> None: ...

    made = await Answering(model(), ResponseRequest(model="m", input="hello"), PROMPT, keep).whole()
    assert made["usage"]["input_tokens"] == 900
    assert made["usage"]["input_tokens_details"]["cached_tokens"] == 768
    assert made["usage"]["total_tokens"] == 910


async def test_and_by_chat_completions() -> None:
    office = cast(Office, SimpleNamespace(stages=SimpleNamespace(llm=model())))
    body = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
    made = await Completion(office, body, PROMPT, "local", None).whole()
    assert made["usage"]["prompt_tokens"] == 900
    assert made["usage"]["prompt_tokens_details"]["cached_tokens"] == 768
    assert made["usage"]["total_tokens"] == 910


async def test_outputs_of_calls_made_at_once_stand_behind_one_message() -> None:
    """Endpoints demand it so: the calls of an answer together, each output behind them, nothing in between."""
    office = cast(Office, SimpleNamespace(stages=SimpleNamespace(keywords=(), language="en")))
    calls = [
        {"type": "function_call", "call_id": f"call_{name}", "name": name, "arguments": ""}
        for name in ("one", "two")
    ]
    outputs = [
        {"type": "function_call_output", "call_id": f"call_{name}", "output": f"{name} is done"}
        for name in ("two", "one")
    ]
    items = ({"type": "message", "role": "user", "content": "both"}, *calls, *outputs)
    prompt = await prompt_of(office, ResponseRequest(model="m", input=""), items)
    user, asked, *answered = prompt.messages
    assert user == {"role": "user", "content": "both"}
    assert [(call["id"], call["function"]) for call in asked["tool_calls"]] == [
        ("call_two", {"name": "two", "arguments": "{}"}),
        ("call_one", {"name": "one", "arguments": "{}"}),
    ]
    assert answered == [
        {"role": "tool", "tool_call_id": "call_two", "content": "two is done"},
        {"role": "tool", "tool_call_id": "call_one", "content": "one is done"},
    ]


async def test_tools_are_shown_as_they_were_given() -> None:
    """By both endpoints in one form, though they take them in two."""
    office = cast(Office, SimpleNamespace(stages=SimpleNamespace(keywords=(), language="en")))
    parameters = {"type": "object", "properties": {"id": {"type": "string"}}}
    find = {"name": "find", "description": "Finds it.", "parameters": parameters}
    response = ResponseRequest.model_validate(
        {
            "model": "m",
            "input": "",
            "instructions": "Be brief.",
            "tools": [{"type": "function", **find}, {"type": "function", "name": "plain"}],
            "tool_choice": {"type": "function", "name": "find"},
            "max_output_tokens": 7,
            "parallel_tool_calls": False,
        }
    )
    chat = ChatRequest.model_validate(
        {
            "model": "m",
            "messages": [{"role": "developer", "content": "Be brief."}],
            "tools": [
                {"type": "function", "function": find},
                {"type": "function", "function": {"name": "plain"}},
            ],
            "tool_choice": {"type": "function", "function": {"name": "find"}},
            "max_completion_tokens": 7,
            "parallel_tool_calls": False,
        }
    )
    expected = Prompt(
        messages=({"role": "system", "content": "Be brief."},),
        tools=(
            {"type": "function", "function": find},
            {
                "type": "function",
                "function": {
                    "name": "plain",
                    "description": "",
                    "parameters": {"type": "object", "properties": {}},
                },
            },
        ),
        tool_choice={"type": "function", "function": {"name": "find"}},
        parallel_tool_calls=False,
        max_tokens=7,
    )
    assert await prompt_of(office, response, ()) == expected
    assert await chat_prompt_of(office, chat, "local") == expected
