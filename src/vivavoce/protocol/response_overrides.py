"""What `response.create` may change about one response (protocol reference 2.5)."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from vivavoce.protocol import errors
from vivavoce.protocol.field_reading import (
    expect_array,
    expect_object,
    read,
    read_format,
    read_leaf,
    read_modalities,
    refuse_keys,
)
from vivavoce.protocol.item_reading import read_item
from vivavoce.protocol.items import InputItem
from vivavoce.protocol.refusals import kind_of
from vivavoce.protocol.session_objects import (
    AudioFormat,
    FunctionTool,
    MaxOutputTokens,
    Modality,
    Prompt,
    Reasoning,
    ResponseAudio,
    ResponseAudioOutput,
    SessionObject,
    Tool,
    ToolChoice,
    ToolChoiceFunction,
    Voice,
)
from vivavoce.protocol.tool_reading import read_tools

BETA_RESPONSE_KEYS: Final = (
    "voice",
    "modalities",
    "output_audio_format",
    "temperature",
    "max_response_output_tokens",
)
METADATA_PAIRS: Final = 16
METADATA_KEY_LENGTH: Final = 64
METADATA_VALUE_LENGTH: Final = 512


class ResponseConfig(Struct, frozen=True, kw_only=True):
    """What one response goes by: the session's settings with the overrides of `response.create` on top.

    `input` None means the conversation is the context; a list replaces it, and an empty one means no context
    at all. `preface` is what a stored prompt of the response's own puts before it; None: the session's.
    """

    conversation: str = "auto"
    input: list[InputItem] | None = None
    instructions: str = ""
    output_modalities: list[Modality]
    audio: ResponseAudio
    tools: list[Tool]
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool | UnsetType = UNSET
    max_output_tokens: MaxOutputTokens = "inf"
    metadata: dict[str, str] | None = None
    reasoning: Reasoning | UnsetType = UNSET
    prompt: Prompt | None = None
    preface: list[InputItem] | None = None

    @property
    def output_format(self) -> AudioFormat:
        return self.audio.output.format

    @property
    def voice(self) -> Voice:
        return self.audio.output.voice

    @property
    def speaks(self) -> bool:
        return "audio" in self.output_modalities


_RESPONSE_FIELDS: Final[dict[str, Any]] = {
    "instructions": str,
    "parallel_tool_calls": bool,
    "max_output_tokens": MaxOutputTokens,
    "tool_choice": ToolChoice,
    "reasoning": Reasoning,
    "prompt": Prompt,
}


def override_response(session: SessionObject, response: dict[str, Any] | None) -> ResponseConfig:
    """The effective settings of one response. A null override counts as not given. Raises `ClientError`."""
    given = {key: value for key, value in (response or {}).items() if value is not None}
    refuse_keys(given, BETA_RESPONSE_KEYS, "response")
    changes: dict[str, Any] = {
        key: read_leaf(given[key], wanted, f"response.{key}")
        for key, wanted in _RESPONSE_FIELDS.items()
        if key in given
    }
    if "conversation" in given:
        changes["conversation"] = _conversation(given["conversation"])
    if "output_modalities" in given:
        changes["output_modalities"] = read_modalities(
            given["output_modalities"], "response.output_modalities"
        )
    if "tools" in given:
        changes["tools"] = read_tools(given["tools"], "response.tools", session.tools)
    if "metadata" in given:
        changes["metadata"] = _metadata(given["metadata"])
    if "input" in given:
        changes["input"] = [
            read_item(raw, f"response.input[{index}]")
            for index, raw in enumerate(expect_array(given["input"], "response.input"))
        ]
    if "audio" in given:
        changes["audio"] = _response_audio(session, given["audio"])
    config = msgspec.structs.replace(_session_response(session), **changes)
    if "tool_choice" in given:
        _check_named_tool(config)
    return config


def _session_response(session: SessionObject) -> ResponseConfig:
    output = session.audio.output
    return ResponseConfig(
        instructions=session.instructions,
        output_modalities=session.output_modalities,
        audio=ResponseAudio(output=ResponseAudioOutput(format=output.format, voice=output.voice)),
        tools=session.tools,
        tool_choice=session.tool_choice,
        parallel_tool_calls=session.parallel_tool_calls,
        max_output_tokens=session.max_output_tokens,
        reasoning=session.reasoning,
        prompt=session.prompt,
    )


def _response_audio(session: SessionObject, patch: Any) -> ResponseAudio:
    current = session.audio.output
    voice, chosen_format = current.voice, current.format
    output = expect_object(patch, "response.audio").get("output")
    if output is not None:
        output = expect_object(output, "response.audio.output")
        if output.get("format") is not None:
            chosen_format = read_format(output["format"], "response.audio.output.format")
        if output.get("voice") is not None:
            voice = read(output["voice"], Voice, "response.audio.output.voice")
    return ResponseAudio(output=ResponseAudioOutput(format=chosen_format, voice=voice))


def _conversation(value: Any) -> str:
    if not isinstance(value, str):
        raise errors.invalid_type("response.conversation", "a string", kind_of(value))
    if value not in ("auto", "none"):
        raise errors.unsupported_value("response.conversation", value, ("auto", "none"))
    return value


def _metadata(value: Any) -> dict[str, str]:
    metadata = expect_object(value, "response.metadata")
    if len(metadata) > METADATA_PAIRS:
        raise errors.invalid_because("response.metadata", f"it has more than {METADATA_PAIRS} pairs")
    for key, text in metadata.items():
        path = f"response.metadata.{key[:METADATA_KEY_LENGTH]}"
        if len(key) > METADATA_KEY_LENGTH:
            raise errors.invalid_value(path, key, f"a key of at most {METADATA_KEY_LENGTH} characters")
        if not isinstance(text, str):
            raise errors.invalid_type(path, "a string", kind_of(text))
        if len(text) > METADATA_VALUE_LENGTH:
            raise errors.invalid_value(path, text, f"a string of at most {METADATA_VALUE_LENGTH} characters")
    return metadata


def _check_named_tool(config: ResponseConfig) -> None:
    choice = config.tool_choice
    if isinstance(choice, ToolChoiceFunction):
        names = [tool.name for tool in config.tools if isinstance(tool, FunctionTool)]
        if choice.name not in names:
            raise errors.unsupported_value("response.tool_choice.name", choice.name, names)
