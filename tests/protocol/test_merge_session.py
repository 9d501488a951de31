"""`session.update`: what changes, what stays, what is refused (protocol reference 3.2 to 3.5)."""

from typing import Any

import msgspec
import pytest

from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.session_objects import (
    AudioFormat,
    FunctionTool,
    McpTool,
    NoiseReduction,
    Preambles,
    Prompt,
    Reasoning,
    RetentionRatio,
    SemanticVad,
    ServerVad,
    SessionObject,
    ToolChoiceFunction,
    TracingConfig,
    Transcription,
    VivavoceExtension,
    VoiceId,
)
from vivavoce.protocol.sessions import BETA_SESSION_KEYS, merge_session

START = SessionObject(id="sess_1", model="gpt-realtime-2", instructions="Be brief.")


def merge(current: SessionObject = START, spoken: bool = False, **patch: Any) -> SessionObject:
    return merge_session(current, {"type": "realtime", **patch}, silence_duration_ms=200, spoken=spoken)


def refused(current: SessionObject = START, spoken: bool = False, **patch: Any) -> ClientError:
    before = msgspec.json.encode(current, enc_hook=repr)
    with pytest.raises(ClientError) as caught:
        merge(current, spoken, **patch)
    assert msgspec.json.encode(current, enc_hook=repr) == before
    return caught.value


def audio_in(**fields: Any) -> dict[str, Any]:
    return {"audio": {"input": fields}}


def audio_out(**fields: Any) -> dict[str, Any]:
    return {"audio": {"output": fields}}


# ----------------------------------------------------------------------------------------------- what changes


def test_an_empty_update_changes_nothing() -> None:
    assert merge() == START


def test_the_model_is_repeated_by_clients_and_ignored() -> None:
    assert merge(model="gpt-realtime-2.1").model == "gpt-realtime-2"


def test_unknown_leaves_are_ignored() -> None:
    assert merge(invented=1, audio={"input": {"invented": 1}, "invented": 2}) == START


def test_only_present_keys_change() -> None:
    session = merge(output_modalities=["text"], max_output_tokens=100, parallel_tool_calls=False)
    assert (session.output_modalities, session.max_output_tokens, session.parallel_tool_calls) == (
        ["text"],
        100,
        False,
    )
    assert session.instructions == "Be brief."
    assert merge(session, instructions="").output_modalities == ["text"]


def test_explicit_clears() -> None:
    full = merge(
        instructions="x",
        tools=[{"type": "function", "name": "f"}],
        tool_choice="required",
        tracing="auto",
        prompt={"id": "p"},
        include=["item.input_audio_transcription.logprobs"],
        truncation="disabled",
        max_output_tokens=10,
        reasoning={"effort": "high"},
        **audio_in(transcription={"model": "whisper-1"}, noise_reduction={"type": "near_field"}),
    )
    cleared = merge(
        full,
        instructions="",
        tools=[],
        tool_choice=None,
        tracing=None,
        prompt=None,
        include=None,
        truncation=None,
        max_output_tokens=None,
        reasoning=None,
        **audio_in(transcription=None, noise_reduction=None, turn_detection=None),
    )
    assert cleared.audio.input.turn_detection is None
    assert merge(
        cleared, **audio_in(turn_detection={"type": "server_vad"}), instructions="Be brief."
    ) == merge(START, **audio_in(turn_detection={"type": "server_vad"}))


def test_merging_goes_through_audio_and_replaces_the_leaves() -> None:
    session = merge(
        **audio_in(turn_detection={"type": "server_vad", "threshold": 0.9, "silence_duration_ms": 700})
    )
    session = merge(session, **audio_out(voice="cedar"))
    assert session.audio.input.turn_detection == ServerVad(threshold=0.9, silence_duration_ms=700)
    session = merge(session, **audio_in(turn_detection={"type": "server_vad", "prefix_padding_ms": 100}))
    assert session.audio.input.turn_detection == ServerVad(prefix_padding_ms=100, silence_duration_ms=200)
    assert session.audio.output.voice == "cedar"


def test_what_the_agents_sdk_sends_is_filled_in() -> None:
    session = merge(
        **audio_in(turn_detection={"type": "semantic_vad", "interrupt_response": True, "eagerness": None})
    )
    assert session.audio.input.turn_detection == SemanticVad(create_response=True, interrupt_response=True)


def test_nulls_inside_a_leaf_count_as_absent() -> None:
    leaf = {"type": "server_vad", "threshold": None, "silence_duration_ms": None, "idle_timeout_ms": None}
    assert merge(**audio_in(turn_detection=leaf)).audio.input.turn_detection == ServerVad(
        silence_duration_ms=200
    )


def test_nulls_inside_other_settings_count_as_absent_too() -> None:
    session = merge(
        prompt={"id": "p", "version": None, "variables": None},
        tracing={"workflow_name": None, "group_id": "g"},
        truncation={"type": "retention_ratio", "retention_ratio": 1, "token_limits": None},
        reasoning={"effort": None},
    )
    assert session.prompt == Prompt(id="p")
    assert session.tracing == TracingConfig(group_id="g")
    assert session.truncation == RetentionRatio(retention_ratio=1.0)
    assert session.reasoning == Reasoning()


def test_whole_numbers_may_be_spelt_with_a_point() -> None:
    leaf = {"type": "server_vad", "silence_duration_ms": 450.0, "threshold": 1.0}
    detection = merge(**audio_in(turn_detection=leaf)).audio.input.turn_detection
    assert detection == ServerVad(silence_duration_ms=450, threshold=1.0)


def test_the_strength_of_noise_reduction_survives() -> None:
    session = merge(**audio_in(noise_reduction={"type": "near_field"}))
    assert session.audio.input.noise_reduction == NoiseReduction(type="near_field", strength=1.0)
    session = merge(session, **audio_in(noise_reduction={"strength": 0.25}))
    session = merge(session, **audio_in(noise_reduction={"type": "far_field"}))
    assert session.audio.input.noise_reduction == NoiseReduction(type="far_field", strength=0.25)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"type": "audio/pcm"}, AudioFormat()),
        ({"type": "audio/pcm", "rate": 24000}, AudioFormat()),
        ({"type": "audio/pcmu"}, AudioFormat(type="audio/pcmu")),
        ({"type": "audio/pcma", "rate": 8000}, AudioFormat(type="audio/pcma")),
    ],
)
def test_formats(given: dict[str, Any], kept: AudioFormat) -> None:
    session = merge(audio={"input": {"format": given}, "output": {"format": given}})
    assert session.audio.input.format == session.audio.output.format == kept
    assert kept.rate_hz == (24_000 if kept.type == "audio/pcm" else 8_000)
    assert merge(session, audio={"input": {"format": None}, "output": None}) == session


def test_transcription_keeps_what_was_said() -> None:
    given = {
        "model": "gpt-transcribe",
        "languages": ["en", "de"],
        "keywords": ["Sable Crust"],
        "prompt": None,
    }
    kept = merge(**audio_in(transcription=given)).audio.input.transcription
    assert kept == Transcription(model="gpt-transcribe", languages=["en", "de"], keywords=["Sable Crust"])


def test_the_voice_may_change_until_it_was_heard() -> None:
    session = merge(**audio_out(voice="ash", speed=1))
    assert session.audio.output.voice == "ash"
    assert merge(session, spoken=True, **audio_out(voice="ash", speed=1.5)).audio.output.speed == 1.5
    error = refused(session, spoken=True, **audio_out(voice="marin"))
    assert (error.code, error.param) == ("cannot_update_voice", "session.audio.output.voice")
    assert merge(**audio_out(voice={"id": "voice_1"})).audio.output.voice == VoiceId("voice_1")


def test_the_rest_of_the_fields() -> None:
    session = merge(
        tool_choice={"type": "function", "name": "f"},
        reasoning={"effort": "xhigh"},
        tracing={"workflow_name": "w", "metadata": {"a": 1}},
        truncation={"type": "retention_ratio", "retention_ratio": 0.8},
        prompt={"id": "p", "variables": {"a": "b"}},
        max_output_tokens=32_000,
    )
    assert session.tool_choice == ToolChoiceFunction(name="f")
    assert session.reasoning == Reasoning(effort="xhigh")
    assert session.tracing == TracingConfig(workflow_name="w", metadata={"a": 1})
    assert session.truncation == RetentionRatio(retention_ratio=0.8)


# ------------------------------------------------------------------------------------------------------ tools


def test_function_tools() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": None}}}
    session = merge(
        tools=[
            {"type": "function", "name": "f", "description": None, "parameters": schema, "strict": True},
            {"name": "g", "parameters": None},
        ]
    )
    assert session.tools == [FunctionTool(name="f", parameters=schema), FunctionTool(name="g")]


def test_a_label_that_was_defined_once_may_stand_alone() -> None:
    server = {"type": "mcp", "server_label": "docs", "server_url": "https://x", "headers": {"X-Key": "k"}}
    session = merge(tools=[server, {"type": "function", "name": "f"}])
    again = merge(session, tools=[{"type": "mcp", "server_label": "docs"}])
    assert again.tools == session.tools[:1]
    assert isinstance(again.tools[0], McpTool)
    assert again.tools[0].headers is not None
    assert again.tools[0].headers.reveal() == {"X-Key": "k"}


MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://x"}


# --------------------------------------------------------------------------------------------------- refusals

T = "session.audio.input.turn_detection"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"instructions": 4}, "invalid_type", "session.instructions"),
    ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
    ({"output_modalities": []}, "invalid_value", "session.output_modalities"),
    ({"output_modalities": ["video"]}, "invalid_value", "session.output_modalities[0]"),
    ({"output_modalities": "audio"}, "invalid_type", "session.output_modalities"),
    ({"max_output_tokens": 0}, "invalid_value", "session.max_output_tokens"),
    ({"max_output_tokens": 32_001}, "invalid_value", "session.max_output_tokens"),
    ({"max_output_tokens": "many"}, "invalid_value", "session.max_output_tokens"),
    ({"max_output_tokens": 1.5}, "invalid_type", "session.max_output_tokens"),
    ({"parallel_tool_calls": "yes"}, "invalid_type", "session.parallel_tool_calls"),
    ({"reasoning": {"effort": "huge"}}, "invalid_value", "session.reasoning.effort"),
    ({"tracing": "on"}, "invalid_value", "session.tracing"),
    ({"tracing": {"workflow_name": 3}}, "invalid_type", "session.tracing.workflow_name"),
    ({"truncation": "some"}, "invalid_value", "session.truncation"),
    (
        {"truncation": {"type": "retention_ratio"}},
        "missing_required_parameter",
        "session.truncation.retention_ratio",
    ),
    (
        {"truncation": {"type": "retention_ratio", "retention_ratio": 2}},
        "invalid_value",
        "session.truncation.retention_ratio",
    ),
    (
        {
            "truncation": {
                "type": "retention_ratio",
                "retention_ratio": 1,
                "token_limits": {"post_instructions": -1},
            }
        },
        "invalid_value",
        "session.truncation.token_limits.post_instructions",
    ),
    ({"prompt": {}}, "missing_required_parameter", "session.prompt.id"),
    ({"include": ["everything"]}, "invalid_value", "session.include[0]"),
    ({"tool_choice": "maybe"}, "invalid_value", "session.tool_choice"),
    ({"tool_choice": {"type": "function"}}, "missing_required_parameter", "session.tool_choice.name"),
    ({"tool_choice": {"type": "custom"}}, "invalid_value", "session.tool_choice.type"),
    ({"tools": {}}, "invalid_type", "session.tools"),
    ({"tools": ["f"]}, "invalid_type", "session.tools[0]"),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
    ({"tools": [{"type": "function", "name": ""}]}, "invalid_value", "session.tools[0].name"),
    (
        {"tools": [{"name": "f"}, {"name": "g", "parameters": []}]},
        "invalid_type",
        "session.tools[1].parameters",
    ),
    ({"tools": [{"type": "web_search"}]}, "invalid_value", "session.tools[0].type"),
    ({"tools": [{"type": "mcp"}]}, "missing_required_parameter", "session.tools[0].server_label"),
    (
        {"tools": [{"type": "mcp", "server_label": "a"}]},
        "missing_required_parameter",
        "session.tools[0].server_url",
    ),
    ({"tools": [MCP | {"connector_id": "c"}]}, "invalid_value", "session.tools[0]"),
    ({"tools": [MCP, MCP]}, "invalid_value", "session.tools[1].server_label"),
    ({"tools": [MCP | {"headers": {"a": 1}}]}, "invalid_type", "session.tools[0].headers.a"),
    ({"tools": [MCP | {"headers": "a: t"}]}, "invalid_type", "session.tools[0].headers"),
    ({"tools": [MCP | {"authorization": ["t"]}]}, "invalid_type", "session.tools[0].authorization"),
    (
        {"tools": [MCP | {"authorization": "t", "headers": {"Authorization": "t"}}]},
        "invalid_value",
        "session.tools[0].authorization",
    ),
    (
        {"tools": [MCP | {"require_approval": "sometimes"}]},
        "invalid_value",
        "session.tools[0].require_approval",
    ),
    ({"audio": []}, "invalid_type", "session.audio"),
    ({"audio": {"input": 1}}, "invalid_type", "session.audio.input"),
    ({"audio": {"output": 1}}, "invalid_type", "session.audio.output"),
    (audio_in(format="pcm16"), "invalid_type", "session.audio.input.format"),
    (audio_in(format={}), "missing_required_parameter", "session.audio.input.format.type"),
    (audio_in(format={"type": "audio/opus"}), "invalid_value", "session.audio.input.format.type"),
    (
        audio_in(format={"type": "audio/pcm", "rate": 16000}),
        "invalid_value",
        "session.audio.input.format.rate",
    ),
    (audio_in(turn_detection={}), "missing_required_parameter", f"{T}.type"),
    (audio_in(turn_detection="none"), "invalid_type", T),
    (audio_in(turn_detection={"type": "none"}), "invalid_value", f"{T}.type"),
    (audio_in(turn_detection={"type": "server_vad", "threshold": 1.01}), "invalid_value", f"{T}.threshold"),
    (audio_in(turn_detection={"type": "server_vad", "threshold": "0.5"}), "invalid_type", f"{T}.threshold"),
    (
        audio_in(turn_detection={"type": "server_vad", "prefix_padding_ms": -1}),
        "invalid_value",
        f"{T}.prefix_padding_ms",
    ),
    (
        audio_in(turn_detection={"type": "server_vad", "silence_duration_ms": 1.5}),
        "invalid_type",
        f"{T}.silence_duration_ms",
    ),
    (
        audio_in(turn_detection={"type": "server_vad", "idle_timeout_ms": 4999}),
        "invalid_value",
        f"{T}.idle_timeout_ms",
    ),
    (
        audio_in(turn_detection={"type": "server_vad", "idle_timeout_ms": 30001}),
        "invalid_value",
        f"{T}.idle_timeout_ms",
    ),
    (
        audio_in(turn_detection={"type": "server_vad", "create_response": 1}),
        "invalid_type",
        f"{T}.create_response",
    ),
    (
        audio_in(turn_detection={"type": "semantic_vad", "eagerness": "max"}),
        "invalid_value",
        f"{T}.eagerness",
    ),
    (audio_in(transcription={"model": 1}), "invalid_type", "session.audio.input.transcription.model"),
    (audio_in(transcription={"delay": "none"}), "invalid_value", "session.audio.input.transcription.delay"),
    (
        audio_in(noise_reduction={"strength": 0.5}),
        "missing_required_parameter",
        "session.audio.input.noise_reduction.type",
    ),
    (
        audio_in(noise_reduction={"type": "studio"}),
        "invalid_value",
        "session.audio.input.noise_reduction.type",
    ),
    (audio_out(speed=0.2), "invalid_value", "session.audio.output.speed"),
    (audio_out(speed=1.6), "invalid_value", "session.audio.output.speed"),
    (audio_out(speed="fast"), "invalid_type", "session.audio.output.speed"),
    (audio_out(voice=""), "invalid_value", "session.audio.output.voice"),
    (audio_out(voice=7), "invalid_type", "session.audio.output.voice"),
    (audio_out(voice={}), "missing_required_parameter", "session.audio.output.voice.id"),
    (audio_out(language="es"), "unknown_parameter", "session.audio.output.language"),
    ({"vivavoce": 1}, "invalid_type", "session.vivavoce"),
    ({"vivavoce": {"preambles": "on"}}, "invalid_value", "session.vivavoce.preambles"),
    ({"vivavoce": {"preambles": {}}}, "missing_required_parameter", "session.vivavoce.preambles.phrases"),
    ({"vivavoce": {"preambles": {"phrases": [1]}}}, "invalid_type", "session.vivavoce.preambles.phrases[0]"),
    (
        {"vivavoce": {"preambles": {"phrases": ["a"], "repeat_after_ms": 499}}},
        "invalid_value",
        "session.vivavoce.preambles.repeat_after_ms",
    ),
]


@pytest.mark.parametrize(("patch", "code", "param"), REFUSED, ids=[f"{row[2]}-{row[1]}" for row in REFUSED])
def test_refused_with_the_place_and_nothing_applied(patch: dict[str, Any], code: str, param: str) -> None:
    error = refused(**patch)
    assert (error.code, error.param) == (code, param)
    assert f"'{param}'" in error.message or error.message.startswith("Invalid value: ")


def test_one_bad_field_spoils_the_whole_update() -> None:
    refused(instructions="new", audio={"input": {"noise_reduction": None}, "output": {"speed": 9}})


@pytest.mark.parametrize("key", BETA_SESSION_KEYS)
def test_beta_keys_surface(key: str) -> None:
    given: dict[str, Any] = {key: None}
    error = refused(**given)
    assert (error.code, error.param) == ("unknown_parameter", f"session.{key}")
    assert error.message == f"Unknown parameter: 'session.{key}'."


def test_nested_tools_get_told_how() -> None:
    error = refused(tools=[{"type": "function", "function": {"name": "f"}}])
    assert (error.code, error.param) == ("missing_required_parameter", "session.tools[0].name")
    assert "flat in the Realtime API" in error.message


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "missing_required_parameter"),
        ({"type": None}, "missing_required_parameter"),
        ({"type": "transcription"}, "invalid_parameter"),
        ({"type": "translation"}, "invalid_parameter"),
        ({"type": "chat"}, "invalid_value"),
        ({"type": 1}, "invalid_type"),
        ({"type": []}, "invalid_type"),
    ],
)
def test_the_type_is_required_and_fixed(given: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        merge_session(START, given, silence_duration_ms=500, spoken=False)
    assert (caught.value.code, caught.value.param) == (code, "session.type")


# ------------------------------------------------------------------------------------------ our own extension


def test_preambles_are_set_and_what_answers_is_not() -> None:
    start = merge()
    named = msgspec.structs.replace(start, vivavoce=VivavoceExtension(engine="scripted", llm="none"))
    session = merge(named, vivavoce={"engine": "mine", "llm": 7, "preambles": {"phrases": ["One moment."]}})
    assert session.vivavoce == VivavoceExtension(
        engine="scripted", llm="none", preambles=Preambles(phrases=["One moment."])
    )
    assert merge(session, vivavoce={"preambles": "auto"}).vivavoce == VivavoceExtension(
        engine="scripted", llm="none", preambles="auto"
    )
    for cleared in (None, {"preambles": None}):
        assert merge(session, vivavoce=cleared).vivavoce == named.vivavoce
    assert merge(session, vivavoce={}).vivavoce == session.vivavoce
