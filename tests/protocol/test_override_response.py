"""`response.create.response`: one response's own settings (protocol reference 2.5)."""

from typing import Any

import pytest

from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.items import FunctionCallOutputItem, ItemReference, MessageItem, OutputText
from vivavoce.protocol.session_objects import (
    AudioConfig,
    AudioFormat,
    AudioOutputConfig,
    FunctionTool,
    Reasoning,
    SessionObject,
    ToolChoiceFunction,
)
from vivavoce.protocol.sessions import override_response

SESSION = SessionObject(
    id="sess_1",
    model="m",
    instructions="Be brief.",
    tools=[FunctionTool(name="f")],
    tool_choice="required",
    max_output_tokens=300,
    reasoning=Reasoning(effort="high"),
    parallel_tool_calls=True,
    audio=AudioConfig(output=AudioOutputConfig(voice="ash", format=AudioFormat(type="audio/pcmu"))),
)


def refused(**response: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        override_response(SESSION, response)
    return caught.value


@pytest.mark.parametrize(
    "response", [None, {}, {"instructions": None, "tools": None, "input": None, "metadata": None}]
)
def test_without_overrides_the_session_holds(response: dict[str, Any] | None) -> None:
    config = override_response(SESSION, response)
    assert config.conversation == "auto"
    assert config.input is None
    assert config.instructions == "Be brief."
    assert config.tools == SESSION.tools
    assert config.tool_choice == "required"
    assert config.max_output_tokens == 300
    assert config.reasoning == Reasoning(effort="high")
    assert config.parallel_tool_calls is True
    assert (config.voice, config.output_format) == ("ash", AudioFormat(type="audio/pcmu"))
    assert config.speaks


def test_everything_can_be_overridden() -> None:
    config = override_response(
        SESSION,
        {
            "conversation": "none",
            "instructions": "",
            "output_modalities": ["text"],
            "audio": {"output": {"voice": "cedar", "format": {"type": "audio/pcm"}}},
            "tools": [{"type": "function", "name": "g"}],
            "tool_choice": {"type": "function", "name": "g"},
            "parallel_tool_calls": False,
            "max_output_tokens": "inf",
            "metadata": {"client_event_id": "x"},
            "reasoning": {"effort": "minimal"},
            "prompt": {"id": "p"},
        },
    )
    assert config.conversation == "none"
    assert config.instructions == ""
    assert not config.speaks
    assert (config.voice, config.output_format) == ("cedar", AudioFormat())
    assert config.tools == [FunctionTool(name="g")]
    assert config.tool_choice == ToolChoiceFunction(name="g")
    assert config.max_output_tokens == "inf"
    assert config.metadata == {"client_event_id": "x"}


def test_an_empty_list_of_tools_removes_the_sessions() -> None:
    assert override_response(SESSION, {"tools": []}).tools == []


def test_one_half_of_the_audio_keeps_the_other() -> None:
    config = override_response(SESSION, {"audio": {"output": {"voice": "cedar", "format": None}}})
    assert config.output_format == AudioFormat(type="audio/pcmu")
    assert override_response(SESSION, {"audio": {"output": None}}).voice == "ash"


def test_input_replaces_the_context() -> None:
    assert override_response(SESSION, {"input": []}).input == []
    given = [
        {"type": "item_reference", "id": "item_1"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "transcript": "so"}]},
        {"type": "function_call_output", "call_id": "call_1", "output": "{}", "id": None},
    ]
    assert override_response(SESSION, {"input": given}).input == [
        ItemReference(id="item_1"),
        MessageItem(role="assistant", content=[OutputText(text="so")]),
        FunctionCallOutputItem(call_id="call_1", output="{}"),
    ]


def test_metadata_at_its_limits() -> None:
    metadata = {f"{number:064d}": "v" * 512 for number in range(16)}
    assert override_response(SESSION, {"metadata": metadata}).metadata == metadata


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"voice": "ash"}, "unknown_parameter", "response.voice"),
    ({"modalities": ["text"]}, "unknown_parameter", "response.modalities"),
    ({"output_audio_format": "pcm16"}, "unknown_parameter", "response.output_audio_format"),
    ({"temperature": 0.8}, "unknown_parameter", "response.temperature"),
    ({"max_response_output_tokens": 1}, "unknown_parameter", "response.max_response_output_tokens"),
    ({"conversation": "other"}, "invalid_value", "response.conversation"),
    ({"conversation": 1}, "invalid_type", "response.conversation"),
    ({"output_modalities": ["audio", "text"]}, "invalid_value", "response.output_modalities"),
    ({"instructions": []}, "invalid_type", "response.instructions"),
    ({"max_output_tokens": 0}, "invalid_value", "response.max_output_tokens"),
    ({"audio": "loud"}, "invalid_type", "response.audio"),
    ({"audio": {"output": 1}}, "invalid_type", "response.audio.output"),
    (
        {"audio": {"output": {"format": {"type": "mp3"}}}},
        "invalid_value",
        "response.audio.output.format.type",
    ),
    ({"tools": [{}]}, "missing_required_parameter", "response.tools[0].name"),
    ({"tool_choice": {"type": "function", "name": "absent"}}, "invalid_value", "response.tool_choice.name"),
    (
        {"tools": [], "tool_choice": {"type": "function", "name": "f"}},
        "invalid_value",
        "response.tool_choice.name",
    ),
    ({"input": {}}, "invalid_type", "response.input"),
    ({"input": ["hi"]}, "invalid_type", "response.input[0]"),
    ({"input": [{"type": "item_reference"}]}, "missing_required_parameter", "response.input[0].id"),
    ({"input": [{"type": "item_reference", "id": ""}]}, "missing_required_parameter", "response.input[0].id"),
    (
        {"input": [{"type": "item_reference", "id": "a"}, {"type": "message", "role": "user"}]},
        "missing_required_parameter",
        "response.input[1].content",
    ),
    ({"metadata": []}, "invalid_type", "response.metadata"),
    ({"metadata": {str(number): "" for number in range(17)}}, "invalid_value", "response.metadata"),
    ({"metadata": {"k" * 65: "v"}}, "invalid_value", f"response.metadata.{'k' * 64}"),
    ({"metadata": {"a": 1}}, "invalid_type", "response.metadata.a"),
    ({"metadata": {"a": "v" * 513}}, "invalid_value", "response.metadata.a"),
]


@pytest.mark.parametrize(
    ("response", "code", "param"), REFUSED, ids=[f"{row[2][:40]}-{row[1]}" for row in REFUSED]
)
def test_refused_with_the_place(response: dict[str, Any], code: str, param: str) -> None:
    error = refused(**response)
    assert (error.code, error.param) == (code, param)
