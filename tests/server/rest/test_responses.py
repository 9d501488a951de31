"""POST /v1/responses with unmodified openai-python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, InternalServerError, NotFoundError
from openai.types.responses import ResponseFunctionToolCall

from tests.server.rest.rig import client
from tests.server.rig import ANSWER, server
from vivavoce.server.rest.answers import NOTHING_HEARD

TOOL: dict[str, Any] = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
    "strict": False,
}
ITEM = ["response.output_item.added", "response.output_item.done"]


async def ask(openai: AsyncOpenAI, input_: Any, **more: Any) -> Any:
    return await openai.responses.create(model="gpt-5.5", input=input_, **more)


async def test_a_whole_response(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        made = await ask(openai, "hello", instructions="Be kind.", metadata={"a": "b"})
    assert (made.status, made.output_text, made.model) == ("completed", ANSWER, "gpt-5.5")
    assert (made.instructions, made.metadata, made.error, made.store) == ("Be kind.", {"a": "b"}, None, True)
    (message,) = made.output
    assert (message.type, message.id[:4]) == ("message", "msg_")
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0


async def test_text_as_events_in_the_documented_order(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        events = [event async for event in await ask(openai, "hello", stream=True)]
    types = [event.type for event in events]
    deltas = types.count("response.output_text.delta")
    assert deltas > 1
    assert types == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * deltas,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER
    assert events[-5 + 1].text == ANSWER
    assert len({event.item_id for event in events if hasattr(event, "item_id")}) == 1
    assert (events[0].response.status, events[-1].response.output_text) == ("in_progress", ANSWER)
    assert events[2].item.content == []


async def test_the_streaming_helper_of_the_client(tmp_path: Path) -> None:
    async with client(tmp_path) as openai, openai.responses.stream(model="gpt-5.5", input="both") as stream:
        final = await stream.get_final_response()
    assert [item.name for item in final.output if item.type == "function_call"] == ["calendar", "crm"]


async def test_calls_as_events(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        events = [event async for event in await ask(openai, "both", tools=[TOOL], stream=True)]
    types = [event.type for event in events]
    call = [
        ITEM[0],
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        ITEM[1],
    ]
    assert types[2:-1] == [*call, *call]
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert [(event.name, event.output_index) for event in done] == [("calendar", 0), ("crm", 1)]
    assert done[1].arguments == '{"name":"Sable"}'
    added = events[2].item
    assert (added.arguments, added.status, added.name) == ("", "in_progress", "calendar")


async def test_a_conversation_goes_on_by_items_and_by_id(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        first = await ask(openai, [{"role": "user", "content": "my order"}], tools=[TOOL])
        (call,) = first.output
        assert isinstance(call, ResponseFunctionToolCall)
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "it has shipped"}
        by_id = await ask(openai, [output], previous_response_id=first.id, tools=[TOOL])
        assert (by_id.output_text, by_id.previous_response_id) == ("It is on its way.", first.id)
        by_items = await ask(
            openai, [{"role": "user", "content": "my order"}, call.model_dump(exclude_none=True), output]
        )
        assert by_items.output_text == "It is on its way."
        by_reference = await ask(
            openai, [{"role": "user", "content": "x"}, {"type": "item_reference", "id": call.id}, output]
        )
        assert by_reference.output_text == "It is on its way."
        with pytest.raises(BadRequestError, match="No tool output found"):
            await ask(openai, "hello", previous_response_id=first.id)
        with pytest.raises(BadRequestError, match="No tool call found"):
            await ask(openai, [output])
        with pytest.raises(NotFoundError):
            await ask(openai, [{"type": "item_reference", "id": "msg_0"}])


async def test_responses_are_kept_until_deleted_and_for_their_key_only(tmp_path: Path) -> None:
    keys = {"auth__keys": ("one", "two")}
    async with server(tmp_path, **keys) as url:
        mine = AsyncOpenAI(base_url=f"{url}/v1", api_key="one", max_retries=0)
        other = AsyncOpenAI(base_url=f"{url}/v1", api_key="two", max_retries=0)
        async with mine, other:
            made = await ask(mine, "hello")
            unkept = await ask(mine, "hello", store=False)
            assert (await mine.responses.retrieve(made.id)).output_text == ANSWER
            items = await mine.responses.input_items.list(made.id)
            assert items.data[0].model_dump()["content"][0]["text"] == "hello"
            told = items.to_dict()
            assert told["first_id"] == told["last_id"] == items.data[0].id
            for client_, name in ((other, made.id), (mine, unkept.id), (mine, "resp_unknown")):
                with pytest.raises(NotFoundError):
                    await client_.responses.retrieve(name)
            with pytest.raises(BadRequestError) as refused:
                await ask(other, "hello", previous_response_id=made.id)
            assert refused.value.code == "previous_response_not_found"
            await mine.responses.delete(made.id)
            with pytest.raises(NotFoundError):
                await mine.responses.retrieve(made.id)


async def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    async with client(tmp_path, rest__kept_responses=2) as openai:
        made = [await ask(openai, "hello") for _ in range(3)]
        with pytest.raises(NotFoundError):
            await openai.responses.retrieve(made[0].id)
        assert (await openai.responses.retrieve(made[2].id)).id == made[2].id


async def test_nothing_said_is_answered_politely(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        for input_ in ("", [], [{"role": "user", "content": [{"type": "input_text", "text": " "}]}]):
            assert (await ask(openai, input_)).output_text == NOTHING_HEARD


async def test_the_length_is_bounded(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        made = await ask(openai, "hello", max_output_tokens=2)
        events = [event async for event in await ask(openai, "hello", max_output_tokens=2, stream=True)]
    assert (made.status, made.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert made.output[0].status == "incomplete"
    assert events[-1].type == "response.incomplete"


async def test_a_model_that_fails(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        with pytest.raises(InternalServerError, match="as told"):
            await ask(openai, "break")
        events = [event async for event in await ask(openai, "break", stream=True)]
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.message == "as told"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": 3}, "input"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"type": "function_call", "name": "x"}]}, "input[0].call_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].type"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"background": True}, "background"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"previous_response_id": "resp_0"}, "previous_response_id"),
    ],
)
async def test_errors_name_the_field(tmp_path: Path, change: dict[str, Any], param: str) -> None:
    async with client(tmp_path) as openai:
        with pytest.raises(BadRequestError) as refused:
            await ask(openai, "hello", extra_body=change)
    assert refused.value.param == param
