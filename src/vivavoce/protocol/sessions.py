"""What a client may change about a session, and about one response (protocol reference 3.2 to 3.5 and 2.5).

`merge_session` applies `session.update`, `override_response` applies `response.create.response`. Both
validate first and build a new object, so that a refused event changes nothing. Unknown keys are ignored,
except those of the beta dialect: taking them silently would leave a client believing that its voice or its
formats were set.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from vivavoce.protocol import errors
from vivavoce.protocol.field_reading import (
    expect_object,
    read,
    read_field,
    read_format,
    read_leaf,
    read_modalities,
    refuse_keys,
)
from vivavoce.protocol.refusals import kind_of
from vivavoce.protocol.response_overrides import ResponseConfig, override_response
from vivavoce.protocol.session_objects import (
    AudioConfig,
    AudioFormat,
    AudioInputConfig,
    AudioOutputConfig,
    FunctionTool,
    Include,
    MaxOutputTokens,
    McpTool,
    NoiseReduction,
    Preambles,
    Prompt,
    Reasoning,
    ReattachSeconds,
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
from vivavoce.protocol.tool_reading import read_tools

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


def merge_session(
    current: SessionObject, patch: dict[str, Any], *, silence_duration_ms: int, spoken: bool
) -> SessionObject:
    """The session after `session.update`: present keys change, the rest stays (protocol reference 3.2).

    Merges through `audio`, `audio.input` and `audio.output`; the objects below are replaced and their
    defaults filled in (`silence_duration_ms` is the server's default). `spoken`: the assistant has been
    heard, so the voice is fixed. `model` cannot change and is ignored, since real clients repeat it. Raises
    `ClientError`.
    """
    check_session_type(patch, "realtime")
    refuse_keys(patch, BETA_SESSION_KEYS, "session")
    changes: dict[str, Any] = {
        key: cleared if patch[key] is None else read_leaf(patch[key], wanted, f"session.{key}")
        for key, (wanted, cleared) in _SESSION_FIELDS.items()
        if key in patch
    }
    if current.tracing is not None and changes.get("tracing") not in (None, current.tracing):
        raise errors.cannot_update_tracing()
    if "output_modalities" in patch:
        changes["output_modalities"] = read_modalities(
            patch["output_modalities"], "session.output_modalities"
        )
    if "tools" in patch:
        changes["tools"] = read_tools(patch["tools"], "session.tools", current.tools)
    if patch.get("audio") is not None:
        changes["audio"] = _merge_audio(current.audio, patch["audio"], silence_duration_ms, spoken)
    if "vivavoce" in patch:
        changes["vivavoce"] = merge_extension(current.vivavoce, patch["vivavoce"])
    return msgspec.structs.replace(current, **changes)


def check_session_type(patch: dict[str, Any], own: str) -> None:
    """An update names its session's type, and a session keeps the one it has (protocol reference 3.1). Raises `ClientError`."""
    wanted = patch.get("type")
    if wanted is None:
        raise errors.missing_session_type()
    if not isinstance(wanted, str):
        raise errors.invalid_type("session.type", "a string", kind_of(wanted))
    if wanted == own:
        return
    if wanted in ("realtime", "transcription", "translation"):
        raise errors.session_type_switch(wanted, own)
    raise errors.unsupported_value("session.type", wanted, ("realtime", "transcription"))


def _merge_audio(current: AudioConfig, patch: Any, silence_duration_ms: int, spoken: bool) -> AudioConfig:
    patch = expect_object(patch, "session.audio")
    changes: dict[str, Any] = {}
    if patch.get("input") is not None:
        changes["input"] = merge_input(current.input, patch["input"], silence_duration_ms)
    if patch.get("output") is not None:
        changes["output"] = _merge_output(current.output, patch["output"], spoken)
    return msgspec.structs.replace(current, **changes)


def merge_input(current: AudioInputConfig, patch: Any, silence_duration_ms: int) -> AudioInputConfig:
    path = "session.audio.input"
    patch = expect_object(patch, path)
    changes: dict[str, Any] = {}
    if patch.get("format") is not None:
        changes["format"] = read_format(patch["format"], f"{path}.format")
    if "transcription" in patch:
        changes["transcription"] = read_leaf(
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
        changes["turn_detection"] = read_leaf(leaf, TurnDetection | None, f"{path}.turn_detection")
    return msgspec.structs.replace(current, **changes)


def _read_noise_reduction(current: NoiseReduction | None, patch: Any) -> NoiseReduction | None:
    # The documented exception to "leaf objects are replaced": the strength survives a partial object.
    if isinstance(patch, dict) and current is not None:
        kept = {"type": current.type, "strength": current.strength}
        patch = kept | {key: value for key, value in patch.items() if value is not None}
    merged: NoiseReduction | None = read_leaf(
        patch, NoiseReduction | None, "session.audio.input.noise_reduction"
    )
    return merged


def _merge_output(current: AudioOutputConfig, patch: Any, spoken: bool) -> AudioOutputConfig:
    path = "session.audio.output"
    patch = expect_object(patch, path)
    if "language" in patch:  # a translation client on the wrong endpoint; the live service says so too
        raise errors.unknown_parameter(f"{path}.language")
    changes: dict[str, Any] = {}
    if patch.get("format") is not None:
        changes["format"] = read_format(patch["format"], f"{path}.format")
    if patch.get("speed") is not None:
        changes["speed"] = read_field(patch["speed"], AudioOutputConfig, "speed", path)
    if patch.get("voice") is not None:
        voice = read(patch["voice"], Voice, f"{path}.voice")
        if spoken and voice != current.voice:
            raise errors.cannot_update_voice()
        changes["voice"] = voice
    return msgspec.structs.replace(current, **changes)


def merge_extension(current: VivavoceExtension | UnsetType, patch: Any) -> VivavoceExtension:
    """Our own corner after an update; what answers and the call's id are not a client's to say. Raises `ClientError`."""
    extension = VivavoceExtension() if current is UNSET else current
    if patch is None:
        return msgspec.structs.replace(extension, preambles=None, reattach_s=UNSET)
    patch = expect_object(patch, "session.vivavoce")
    if "reattach_s" in patch:
        chosen = read_leaf(patch["reattach_s"], ReattachSeconds | None, "session.vivavoce.reattach_s")
        extension = msgspec.structs.replace(extension, reattach_s=UNSET if chosen is None else chosen)
    if "preambles" not in patch:
        return extension
    chosen = patch["preambles"]
    if isinstance(chosen, str):
        if chosen != "auto":
            raise errors.unsupported_value("session.vivavoce.preambles", chosen, ("auto",))
        return msgspec.structs.replace(extension, preambles="auto")
    preambles = read_leaf(chosen, Preambles | None, "session.vivavoce.preambles")
    return msgspec.structs.replace(extension, preambles=preambles)
