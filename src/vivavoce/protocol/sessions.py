"""What a client may change about a session, and about one response (protocol reference 3.2 to 3.5 and 2.5).

`merge_session` applies `session.update`, `override_response` applies `response.create.response`. Both
validate first and build a new object, so that a refused event changes nothing. Unknown keys are ignored,
except those of the beta dialect: taking them silently would leave a client believing that its voice or its
formats were set.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from vivavoce.protocol import errors
from vivavoce.protocol.item_reading import read_item
from vivavoce.protocol.items import InputItem
from vivavoce.protocol.refusals import kind_of, refusal
from vivavoce.protocol.session_objects import (
    AudioConfig,
    AudioFormat,
    AudioInputConfig,
    AudioOutputConfig,
    FunctionTool,
    Include,
    MaxOutputTokens,
    McpTool,
    Modality,
    NoiseReduction,
    Preambles,
    Prompt,
    Reasoning,
    ResponseAudio,
    ResponseAudioOutput,
    RetentionRatio,
    Secret,
    SemanticVad,
    ServerVad,
    SessionObject,
    Tool,
    ToolChoice,
    ToolChoiceFunction,
    ToolChoiceMcp,
    Tracing,
    Transcription,
    TranscriptionSessionObject,
    TranslationSessionObject,
    Truncation,
    TurnDetection,
    VivavoceExtension,
    Voice,
    VoiceId,
)

__all__ = [
    "AudioConfig",
    "AudioFormat",
    "AudioInputConfig",
    "AudioOutputConfig",
    "FunctionTool",
    "McpTool",
    "NoiseReduction",
    "Preambles",
    "Prompt",
    "Reasoning",
    "ResponseAudio",
    "ResponseAudioOutput",
    "ResponseConfig",
    "RetentionRatio",
    "Secret",
    "SemanticVad",
    "ServerVad",
    "SessionObject",
    "Tool",
    "ToolChoice",
    "ToolChoiceFunction",
    "ToolChoiceMcp",
    "Transcription",
    "TranscriptionSessionObject",
    "TranslationSessionObject",
    "Truncation",
    "TurnDetection",
    "VivavoceExtension",
    "Voice",
    "VoiceId",
    "merge_session",
    "override_response",
]

BETA_SESSION_KEYS: Final = (
    "voice",
    "modalities",
    "input_audio_format",
    "output_audio_format",
    "input_audio_transcription",
    "input_audio_noise_reduction",
    "turn_detection",
    "temperature",
    "max_response_output_tokens",
    "speed",
)
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

# Key -> (type, what an explicit null means). `""`, `[]` and null clear (protocol reference 3.2).
_SESSION_FIELDS: Final[dict[str, tuple[Any, Any]]] = {
    "instructions": (str, ""),
    "parallel_tool_calls": (bool, UNSET),
    "max_output_tokens": (MaxOutputTokens, "inf"),
    "tool_choice": (ToolChoice, "auto"),
    "reasoning": (Reasoning, UNSET),
    "tracing": (Tracing, None),
    "truncation": (Truncation, "auto"),
    "prompt": (Prompt, None),
    "include": (list[Include], None),
}

# --------------------------------------------------------------------------------------------- session.update


def merge_session(
    current: SessionObject, patch: dict[str, Any], *, silence_duration_ms: int, spoken: bool
) -> SessionObject:
    """The session after `session.update`: present keys change, everything else stays (protocol reference
    3.2).

    Merges through `audio`, `audio.input` and `audio.output`; the objects below are replaced and their
    defaults filled in (`silence_duration_ms` is the server's default). `spoken`: the assistant has been
    heard, so the voice is fixed. `model` cannot change and is ignored, since real clients repeat it. Raises
    `ClientError`.
    """
    _check_session_type(patch)
    _refuse_beta_keys(patch, BETA_SESSION_KEYS, "session")
    changes: dict[str, Any] = {
        key: cleared if patch[key] is None else _read(patch[key], wanted, f"session.{key}")
        for key, (wanted, cleared) in _SESSION_FIELDS.items()
        if key in patch
    }
    if "output_modalities" in patch:
        changes["output_modalities"] = _modalities(patch["output_modalities"], "session.output_modalities")
    if "tools" in patch:
        changes["tools"] = _tools(patch["tools"], "session.tools", current.tools)
    if patch.get("audio") is not None:
        changes["audio"] = _merge_audio(current.audio, patch["audio"], silence_duration_ms, spoken)
    if "vivavoce" in patch:
        changes["vivavoce"] = _merge_extension(current.vivavoce, patch["vivavoce"])
    return msgspec.structs.replace(current, **changes)


def _check_session_type(patch: dict[str, Any]) -> None:
    wanted = patch.get("type")
    if wanted is None:
        raise errors.missing_session_type()
    if wanted in ("transcription", "translation"):
        raise errors.session_type_switch(wanted, "realtime")
    if not isinstance(wanted, str):
        raise errors.invalid_type("session.type", "a string", kind_of(wanted))
    if wanted != "realtime":
        raise errors.unsupported_value("session.type", wanted, ("realtime", "transcription"))


def _merge_audio(current: AudioConfig, patch: Any, silence_duration_ms: int, spoken: bool) -> AudioConfig:
    patch = _object(patch, "session.audio")
    changes: dict[str, Any] = {}
    if patch.get("input") is not None:
        changes["input"] = _merge_input(current.input, patch["input"], silence_duration_ms)
    if patch.get("output") is not None:
        changes["output"] = _merge_output(current.output, patch["output"], spoken)
    return msgspec.structs.replace(current, **changes)


def _merge_input(current: AudioInputConfig, patch: Any, silence_duration_ms: int) -> AudioInputConfig:
    path = "session.audio.input"
    patch = _object(patch, path)
    changes: dict[str, Any] = {}
    if patch.get("format") is not None:
        changes["format"] = _read_format(patch["format"], f"{path}.format")
    if "transcription" in patch:
        changes["transcription"] = _read_leaf(
            patch["transcription"], Transcription | None, f"{path}.transcription"
        )
    if "noise_reduction" in patch:
        changes["noise_reduction"] = _read_noise_reduction(current.noise_reduction, patch["noise_reduction"])
    if "turn_detection" in patch:
        leaf = patch["turn_detection"]
        if (
            isinstance(leaf, dict)
            and leaf.get("type") == "server_vad"
            and leaf.get("silence_duration_ms") is None
        ):
            leaf = {**leaf, "silence_duration_ms": silence_duration_ms}
        changes["turn_detection"] = _read_leaf(leaf, TurnDetection | None, f"{path}.turn_detection")
    return msgspec.structs.replace(current, **changes)


def _read_noise_reduction(current: NoiseReduction | None, patch: Any) -> NoiseReduction | None:
    # The documented exception to "leaf objects are replaced": the strength survives a partial object.
    if isinstance(patch, dict) and current is not None:
        kept = {"type": current.type, "strength": current.strength}
        patch = kept | {key: value for key, value in patch.items() if value is not None}
    merged: NoiseReduction | None = _read_leaf(
        patch, NoiseReduction | None, "session.audio.input.noise_reduction"
    )
    return merged


def _merge_output(current: AudioOutputConfig, patch: Any, spoken: bool) -> AudioOutputConfig:
    path = "session.audio.output"
    patch = _object(patch, path)
    if "language" in patch:  # a translation client on the wrong endpoint; the live service says so too
        raise errors.unknown_parameter(f"{path}.language")
    changes: dict[str, Any] = {}
    if patch.get("format") is not None:
        changes["format"] = _read_format(patch["format"], f"{path}.format")
    if patch.get("speed") is not None:
        changes["speed"] = _read_field(patch["speed"], AudioOutputConfig, "speed", path)
    if patch.get("voice") is not None:
        voice = _read(patch["voice"], Voice, f"{path}.voice")
        if spoken and voice != current.voice:
            raise errors.cannot_update_voice()
        changes["voice"] = voice
    return msgspec.structs.replace(current, **changes)


def _merge_extension(current: VivavoceExtension | UnsetType, patch: Any) -> VivavoceExtension:
    extension = VivavoceExtension() if current is UNSET else current
    if patch is None:
        return msgspec.structs.replace(extension, preambles=None)
    patch = _object(patch, "session.vivavoce")
    if "preambles" not in patch:
        return extension
    chosen = patch["preambles"]
    if isinstance(chosen, str):
        if chosen != "auto":
            raise errors.unsupported_value("session.vivavoce.preambles", chosen, ("auto",))
        return msgspec.structs.replace(extension, preambles="auto")
    preambles = _read_leaf(chosen, Preambles | None, "session.vivavoce.preambles")
    return msgspec.structs.replace(extension, preambles=preambles)


# -------------------------------------------------------------------------------------------- response.create


class ResponseConfig(Struct, frozen=True, kw_only=True):
    """What one response goes by: the session's settings with the overrides of `response.create` on top.

    `input` None means the conversation is the context; a list replaces it, and an empty one means no context
    at all.
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
    """The effective settings of one response. Null in an override counts as not given. Raises
    `ClientError`."""
    given = {key: value for key, value in (response or {}).items() if value is not None}
    _refuse_beta_keys(given, BETA_RESPONSE_KEYS, "response")
    changes: dict[str, Any] = {
        key: _read(given[key], wanted, f"response.{key}")
        for key, wanted in _RESPONSE_FIELDS.items()
        if key in given
    }
    if "conversation" in given:
        changes["conversation"] = _conversation(given["conversation"])
    if "output_modalities" in given:
        changes["output_modalities"] = _modalities(given["output_modalities"], "response.output_modalities")
    if "tools" in given:
        changes["tools"] = _tools(given["tools"], "response.tools", session.tools)
    if "metadata" in given:
        changes["metadata"] = _metadata(given["metadata"])
    if "input" in given:
        changes["input"] = [
            read_item(raw, f"response.input[{index}]")
            for index, raw in enumerate(_array(given["input"], "response.input"))
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
    output = _object(patch, "response.audio").get("output")
    if output is not None:
        output = _object(output, "response.audio.output")
        if output.get("format") is not None:
            chosen_format = _read_format(output["format"], "response.audio.output.format")
        if output.get("voice") is not None:
            voice = _read(output["voice"], Voice, "response.audio.output.voice")
    return ResponseAudio(output=ResponseAudioOutput(format=chosen_format, voice=voice))


def _conversation(value: Any) -> str:
    if not isinstance(value, str):
        raise errors.invalid_type("response.conversation", "a string", kind_of(value))
    if value not in ("auto", "none"):
        raise errors.unsupported_value("response.conversation", value, ("auto", "none"))
    return value


def _metadata(value: Any) -> dict[str, str]:
    metadata = _object(value, "response.metadata")
    if len(metadata) > METADATA_PAIRS:
        raise errors.invalid_value(
            "response.metadata", f"{len(metadata)} pairs", f"at most {METADATA_PAIRS} pairs"
        )
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


# ------------------------------------------------------------------------------------------------------ tools


def _tools(value: Any, path: str, known: Iterable[Tool]) -> list[Tool]:
    if value is None:
        return []
    labels = {tool.server_label: tool for tool in known if isinstance(tool, McpTool)}
    seen: set[str] = set()
    tools: list[Tool] = []
    for index, raw in enumerate(_array(value, path)):
        tool = _tool(raw, f"{path}[{index}]")
        if isinstance(tool, McpTool):
            if tool.server_label in seen:
                raise errors.invalid_value(
                    f"{path}[{index}].server_label", tool.server_label, "a label used only once"
                )
            seen.add(tool.server_label)
            tool = _mcp_server(tool, labels.get(tool.server_label), f"{path}[{index}]")
        tools.append(tool)
    return tools


def _tool(raw: Any, path: str) -> Tool:
    leaf = _without_nulls(_object(raw, path))
    leaf.setdefault("type", "function")
    if leaf["type"] == "function" and "name" not in leaf and isinstance(leaf.get("function"), dict):
        raise errors.missing_parameter(
            f"{path}.name",
            "Tools are flat in the Realtime API: put 'name', 'description' and 'parameters' beside 'type', "
            "not inside 'function'.",
        )
    tool: Tool = _read(leaf, Tool, path)
    return tool


def _mcp_server(tool: McpTool, known: McpTool | None, path: str) -> McpTool:
    # A label that was defined once may be used alone later (protocol reference 3.5).
    addresses = [one for one in (tool.server_url, tool.connector_id, tool.tunnel_id) if one is not UNSET]
    if not addresses and known is not None:
        return known
    if not addresses:
        raise errors.missing_parameter(f"{path}.server_url")
    if len(addresses) > 1:
        raise errors.invalid_value(path, "several", "one of 'server_url', 'connector_id' and 'tunnel_id'")
    headers = tool.headers.reveal() if tool.headers is not None else {}
    if tool.authorization is not None and any(name.lower() == "authorization" for name in headers):
        raise errors.invalid_value(
            f"{path}.authorization", "both", "'authorization' or a header of that name, not both"
        )
    return tool


# ---------------------------------------------------------------------------------------------------- reading


def _modalities(value: Any, path: str) -> list[Modality]:
    if value is None:
        return ["audio"]
    modalities: list[Modality] = _read(value, list[Modality], path)
    if len(modalities) != 1:
        raise errors.invalid_value(path, modalities, "either ['audio'] or ['text']")
    return modalities


def _read_format(value: Any, path: str) -> AudioFormat:
    leaf = _without_nulls(_object(value, path))
    if "type" not in leaf:
        raise errors.missing_parameter(f"{path}.type")
    if leaf["type"] != "audio/pcm":
        leaf.pop("rate", None)  # 8 kHz is implied
    chosen: AudioFormat = _read(leaf, AudioFormat, path)
    return chosen


def _read_leaf(value: Any, wanted: Any, path: str) -> Any:
    return _read(_without_nulls(value) if isinstance(value, dict) else value, wanted, path)


def _read_field(value: Any, owner: type[Struct], name: str, path: str) -> Any:
    """One field of a struct, so that its range is written down once."""
    kind = next(one.type for one in msgspec.structs.fields(owner) if one.name == name)
    return _read(value, kind, f"{path}.{name}")


def _read(value: Any, wanted: Any, path: str) -> Any:
    try:
        return msgspec.convert(value, wanted, dec_hook=_secret)
    except msgspec.ValidationError as error:
        raise refusal(error, value, wanted, path) from None


def _secret(kind: type, value: Any) -> Any:
    if kind is not Secret:
        raise TypeError(f"{kind.__name__} has no form on the wire")
    texts = value.values() if isinstance(value, dict) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("Expected text")
    return Secret(value)


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    kept = {key: one for key, one in value.items() if one is not None}
    # Some JSON writers spell 500 as 500.0.
    return {
        key: int(one) if isinstance(one, float) and one.is_integer() else one for key, one in kept.items()
    }


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise errors.invalid_type(path, "an object", kind_of(value))
    return value


def _array(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise errors.invalid_type(path, "an array", kind_of(value))
    return value


def _refuse_beta_keys(given: dict[str, Any], keys: Iterable[str], path: str) -> None:
    for key in keys:
        if key in given:
            raise errors.unknown_parameter(f"{path}.{key}")
