"""POST /v1/chat/completions with unmodified openai-python."""

from __future__ import annotations

import base64
import io
import wave
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, BadRequestError, InternalServerError
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.server.rest.rig import client, wav
from tests.server.rig import ANSWER
from vivavoce.server.rest.answers import NOTHING_HEARD

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"order_id": {}}}},
}


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def ask(openai: Any, *messages: dict[str, Any], **more: Any) -> Any:
    return await openai.chat.completions.create(model="gpt-5", messages=list(messages), **more)


async def test_a_whole_answer(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        made: ChatCompletion = await ask(openai, {"role": "developer", "content": "Be kind."}, said("hello"))
    ChatCompletion.model_validate(made.model_dump(), strict=True)
    (choice,) = made.choices
    assert (choice.finish_reason, choice.message.role, choice.message.content) == (
        "stop",
        "assistant",
        ANSWER,
    )
    assert (made.object, made.model, choice.message.tool_calls) == ("chat.completion", "gpt-5", None)
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens > 0


async def test_the_same_in_chunks(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        stream = await ask(openai, said("hello"), stream=True, stream_options={"include_usage": True})
        chunks: list[ChatCompletionChunk] = [chunk async for chunk in stream]
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)
    *with_choices, last = chunks
    assert with_choices[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in with_choices) == ANSWER
    assert [chunk.choices[0].finish_reason for chunk in with_choices][-2:] == [None, "stop"]
    assert (last.choices, len({chunk.id for chunk in chunks})) == ([], 1)
    assert last.usage is not None
    assert all(chunk.usage is None for chunk in with_choices)


async def test_tools_are_called_and_their_output_is_answered(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        made = await ask(openai, said("my order"), tools=[TOOL])
        (call,) = made.choices[0].message.tool_calls
        assert (made.choices[0].finish_reason, made.choices[0].message.content) == ("tool_calls", None)
        assert (call.function.name, call.function.arguments) == ("look_up", '{"order_id":"A1001"}')
        output = {"role": "tool", "tool_call_id": call.id, "content": [{"type": "text", "text": "shipped"}]}
        end = await ask(openai, said("my order"), made.choices[0].message.model_dump(), output, tools=[TOOL])
        assert end.choices[0].message.content == "It is on its way."
        silent = await ask(openai, said("my order"), tools=[TOOL], tool_choice="none")
        assert silent.choices[0].message.tool_calls is None


async def test_calls_in_chunks(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        chunks = [chunk async for chunk in await ask(openai, said("both"), stream=True)]
    deltas = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or ()]
    assert [(delta.index, delta.function.name, delta.type) for delta in deltas] == [
        (0, "calendar", "function"),
        (1, "crm", "function"),
    ]
    assert deltas[0].id != deltas[1].id
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_nothing_said_is_answered_politely(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        silence = {
            "type": "input_audio",
            "input_audio": {"data": base64.b64encode(wav(bytes(32_000))).decode()},
        }
        for content in ("", "  ", [{"type": "text", "text": ""}], [silence | {}]):
            made = await ask(openai, {"role": "user", "content": content})
            assert made.choices[0].message.content == NOTHING_HEARD


async def test_sound_in_and_sound_out(tmp_path: Path) -> None:
    heard = {"data": base64.b64encode(wav()).decode(), "format": "wav"}
    question: dict[str, Any] = {"role": "user", "content": [{"type": "input_audio", "input_audio": heard}]}
    async with client(tmp_path, scripted__transcript="where is my order") as openai:
        by_voice = await ask(openai, question)
        assert by_voice.choices[0].finish_reason == "tool_calls"
        wanted: dict[str, Any] = {
            "modalities": ["text", "audio"],
            "audio": {"voice": "alloy", "format": "wav"},
        }
        spoken = (await ask(openai, said("hello"), **wanted)).choices[0].message
        assert (spoken.content, spoken.audio.transcript) == (None, ANSWER)
        with wave.open(io.BytesIO(base64.b64decode(spoken.audio.data))) as file:
            assert file.getframerate() == 24_000
        again = await ask(
            openai,
            said("hello"),
            {"role": "assistant", "audio": {"id": spoken.audio.id}},
            said("hello"),
            **wanted,
        )
        assert again.choices[0].message.audio.transcript == ANSWER
        assert again.usage.prompt_tokens > 20  # what was said before is read again
        with pytest.raises(BadRequestError, match="not found or expired"):
            await ask(
                openai, {"role": "assistant", "audio": {"id": "audio_unknown"}}, said("hello"), **wanted
            )


async def test_sound_in_chunks(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}
    async with client(tmp_path) as openai:
        chunks = [chunk async for chunk in await ask(openai, said("hello"), stream=True, **wanted)]
        with pytest.raises(BadRequestError, match="pcm16"):
            await ask(
                openai, said("hi"), stream=True, **wanted | {"audio": {"voice": "alloy", "format": "mp3"}}
            )
    audio = [
        chunk.choices[0].delta.audio for chunk in chunks if getattr(chunk.choices[0].delta, "audio", None)
    ]
    assert "".join(one.transcript or "" for one in audio) == ANSWER
    sound = b"".join(base64.b64decode(one.data or "") for one in audio)
    assert len(sound) == 2 * 24 * 60 * len(ANSWER.replace(". ", "."))
    assert audio[0].id.startswith("audio_")
    assert audio[-1].expires_at > chunks[0].created


async def test_the_length_is_bounded(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        made = await ask(openai, said("hello"), max_completion_tokens=2)
    assert (made.choices[0].finish_reason, made.choices[0].message.content) == ("length", ANSWER[:8])


async def test_a_model_that_fails(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        with pytest.raises(InternalServerError, match="as told"):
            await ask(openai, said("break"))
        with pytest.raises(APIError, match="as told"):
            [chunk async for chunk in await ask(openai, said("break"), stream=True)]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"n": 2}, "n"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"modalities": ["audio"]}, "audio"),
        ({"temperature": 3}, "temperature"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[0].content[0].input_audio",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "*"}}]}
                ]
            },
            "messages[0].content[0].input_audio.data",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
        ),
    ],
)
async def test_errors_name_the_field(tmp_path: Path, change: dict[str, Any], param: str) -> None:
    async with client(tmp_path) as openai:
        with pytest.raises(BadRequestError) as refused:
            await ask(openai, said("hello"), extra_body=change)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("part", "param", "code"),
    [
        ({"type": "image_url"}, "messages[0].content[1].image_url", "missing_required_parameter"),
        ({"type": "input_audio"}, "messages[0].content[1].input_audio", "missing_required_parameter"),
        (
            {"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}},
            "messages[0].content[1].input_audio.data",
            "invalid_value",
        ),
        ({"type": "video"}, "messages[0].content[1].type", "invalid_value"),
    ],
)
async def test_a_part_that_cannot_be_is_named_with_its_place(
    tmp_path: Path, part: dict[str, Any], param: str, code: str
) -> None:
    async with client(tmp_path) as openai:
        with pytest.raises(BadRequestError) as refused:
            await ask(openai, {"role": "user", "content": [{"type": "text", "text": "hello"}, part]})
    assert (refused.value.param, refused.value.code) == (param, code)
