"""Signals: what an engine says to the session.

Every output of an engine carries the *generation* id that the session handed out with `Generate` or `Prepare`; output of a
generation that is no longer open is dropped, never waited for (house law 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vivavoce.audio.clip import Clip

Mark = tuple[int, int]
"""(characters of the clause's text spoken so far, position in ticks from the clause's first sample)."""


@dataclass(frozen=True, slots=True)
class SpeechProbability:
    """How likely it is (0..1) that the window of input audio that ends at media position `at` (ticks) holds speech."""

    at: int
    p: float


@dataclass(frozen=True, slots=True)
class TranscriptDelta:
    """More of what the caller is heard to say; append-only text."""

    item_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class TranscriptFinished:
    """The final transcript of an item's audio. Empty when nothing was recognised."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class TranscriptFailed:
    """The item's audio could not be transcribed."""

    item_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A speculative generation has begun on the strength of `heard`; only if the final transcript is the same may it be adopted."""

    generation: str
    heard: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of the answer."""

    generation: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A whole function call; `arguments` is a JSON object as text."""

    generation: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class AudioOut:
    """Audio of one clause, in order; at most 100 ms a piece, at the rate that `Speak` or `Generate` asked for."""

    generation: str
    clause: int
    clip: Clip
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class ClauseSpoken:
    """The synthesizer has delivered all audio of a clause."""

    generation: str
    clause: int


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """What the engine itself counted; text tokens only (audio tokens are counted by the session, exactly)."""

    input_text: int
    output_text: int


@dataclass(frozen=True, slots=True)
class ResponseFinished:
    """The engine has said all it has to say for this generation (its clauses may still be being spoken)."""

    generation: str
    reason: Literal["stop", "max_output_tokens", "content_filter"] = "stop"
    usage: TokenUsage | None = None


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """A stage failed; the response of this generation fails, the call goes on."""

    generation: str
    stage: str
    code: str
    message: str


Signal = (
    SpeechProbability
    | TranscriptDelta
    | TranscriptFinished
    | TranscriptFailed
    | Prepared
    | TextDelta
    | ToolCall
    | AudioOut
    | ClauseSpoken
    | ResponseFinished
    | EngineFailed
)
