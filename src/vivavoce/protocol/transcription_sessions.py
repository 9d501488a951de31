"""Sessions that only write down what they hear: what a client may set, and what each family of models does.

Protocol reference 3.4, 3.7 and 4.13; which rules are kept and why is docs/adr/0020.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from vivavoce.protocol import errors
from vivavoce.protocol.field_reading import expect_object, read_leaf, refuse_keys
from vivavoce.protocol.session_objects import (
    AudioInputConfig,
    Include,
    ServerVad,
    Transcription,
    TranscriptionAudio,
    TranscriptionSessionObject,
    VivavoceExtension,
)
from vivavoce.protocol.sessions import BETA_SESSION_KEYS, check_session_type, merge_extension, merge_input

DEFAULT_MODEL: Final = "gpt-4o-transcribe"
"""What a session is opened with; every model's name is answered by the one recogniser there is."""

CONVERSATION_KEYS: Final = (
    "instructions",
    "output_modalities",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "reasoning",
    "truncation",
    "prompt",
)
"""They mean something to a session that answers. Taken silently, they would leave a client waiting for answers."""


@dataclass(frozen=True, slots=True)
class Family:
    """How transcripts of a model's name are told.

    streams: deltas while the caller speaks; otherwise one delta that is the whole text.
    live: turn detection must be off, the client commits.
    segments: who said what, as `segment` events.
    """

    streams: bool
    live: bool = False
    segments: bool = False
    billed: Literal["tokens", "duration"] = "tokens"


_WHISPER: Final = Family(streams=False, billed="duration")
_LIVE: Final = Family(streams=True, live=True, billed="duration")
_DIARIZE: Final = Family(streams=True, segments=True)
_TRANSCRIBE: Final = Family(streams=True)
LIVE_MODELS: Final = ("gpt-realtime-whisper", "gpt-live-transcribe")


def family_of(transcription: Transcription | None) -> Family:
    """The family that a model's name belongs to. Names nobody knows stream, as the newest do."""
    model = transcription.model if transcription is not None and transcription.model is not UNSET else ""
    if model.startswith(LIVE_MODELS):
        return _LIVE
    if model.startswith("whisper"):
        return _WHISPER
    return _DIARIZE if model.endswith("-diarize") else _TRANSCRIBE


def opening_transcription(
    session_id: str,
    model: str,
    expires_at: int,
    silence_duration_ms: int,
    extension: VivavoceExtension | UnsetType = UNSET,
) -> TranscriptionSessionObject:
    """The session as `session.created` shows it, every default filled in."""
    transcription = Transcription(model=model)
    live = family_of(transcription).live
    detection = None if live else ServerVad(silence_duration_ms=silence_duration_ms)
    return TranscriptionSessionObject(
        id=session_id,
        expires_at=expires_at,
        audio=TranscriptionAudio(
            input=AudioInputConfig(transcription=transcription, turn_detection=detection)
        ),
        vivavoce=extension,
    )


def merge_transcription_session(
    current: TranscriptionSessionObject, patch: dict[str, Any], *, silence_duration_ms: int
) -> TranscriptionSessionObject:
    """The session after `session.update`: present keys change, the rest stays (protocol reference 3.2).

    A model that wants turn detection off gets it off, unless the same update asks for it: that is refused.
    Raises `ClientError`.
    """
    check_session_type(patch, "transcription")
    refuse_keys(patch, BETA_SESSION_KEYS, "session")
    refuse_keys(patch, CONVERSATION_KEYS, "session")
    changes: dict[str, Any] = {}
    if "include" in patch:
        changes["include"] = read_leaf(patch["include"], list[Include] | None, "session.include")
    if "vivavoce" in patch:
        changes["vivavoce"] = merge_extension(current.vivavoce, patch["vivavoce"])
    if patch.get("audio") is not None:
        audio = expect_object(patch["audio"], "session.audio")
        refuse_keys(audio, ("output",), "session.audio")
        if audio.get("input") is not None:
            asked = expect_object(audio["input"], "session.audio.input")
            heard = merge_input(current.audio.input, asked, silence_duration_ms)
            changes["audio"] = TranscriptionAudio(input=_keep_to_family(heard, asked))
    return msgspec.structs.replace(current, **changes)


def _keep_to_family(heard: AudioInputConfig, asked: dict[str, Any]) -> AudioInputConfig:
    transcription = heard.transcription
    if transcription is None or not family_of(transcription).live:
        return heard
    model = str(transcription.model)
    if model.startswith("gpt-realtime-whisper") and transcription.prompt not in (UNSET, ""):
        raise errors.invalid_because(
            "session.audio.input.transcription.prompt", f"model '{model}' takes no prompt"
        )
    if asked.get("turn_detection") is not None:
        raise errors.invalid_because(
            "session.audio.input.turn_detection",
            f"model '{model}' transcribes as it hears and is committed by the client; turn detection must be null",
        )
    return msgspec.structs.replace(heard, turn_detection=None)
