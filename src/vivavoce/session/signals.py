"""Signals: what an engine says to the session.

Every output of an engine carries the *generation* id that the session handed out with `Generate` or `Prepare`; output of a
generation that is no longer open is dropped, never waited for (house law 4).

Signals and effects are frozen structs that the garbage collector need not know: they are many, short-lived, and part of no cycle.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from vivavoce.audio.clip import Clip
from vivavoce.protocol.responses import LogProb
from vivavoce.session.tool_calls import McpSignal
from vivavoce.session.upstream import UpstreamSignal

Mark = tuple[int, int]
"""(characters of the clause's text spoken so far, position in ticks from the clause's first sample)."""


class SpeechProbability(msgspec.Struct, frozen=True, gc=False):
    """How likely it is (0..1) that the window of input audio that ends at media position `at` (ticks) holds speech."""

    at: int
    p: float


class TranscriptPartial(msgspec.Struct, frozen=True, gc=False):
    """The best reading so far of everything the caller is heard to say; a later one may say it differently."""

    item_id: str
    text: str


class TurnCompleteness(msgspec.Struct, frozen=True, gc=False):
    """How probable it is (0..1) that the caller who paused at media position `at` (ticks) has said all they want to say."""

    item_id: str
    at: int
    p: float


class TranscriptFinished(msgspec.Struct, frozen=True, gc=False):
    """The final transcript of an item's audio. Empty when nothing was recognised. `logprobs`: of its tokens, where they are known."""

    item_id: str
    text: str
    logprobs: tuple[LogProb, ...] = ()


class TranscriptFailed(msgspec.Struct, frozen=True, gc=False):
    """The item's audio could not be transcribed."""

    item_id: str
    code: str
    message: str


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A speculative generation has begun on the strength of `heard`; only if the final transcript is the same may it be adopted."""

    generation: str
    heard: str


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """More text of the answer."""

    generation: str
    text: str


class PreambleOver(msgspec.Struct, frozen=True, gc=False):
    """What was said so far was said ahead of the answer, which comes now: an item of its own, of phase `commentary`."""

    generation: str


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """A whole function call; `arguments` is a JSON object as text."""

    generation: str
    name: str
    arguments: str


class AudioOut(msgspec.Struct, frozen=True, gc=False):
    """Audio of one clause, in order; at most 100 ms a piece, at the rate that `Speak` or `Generate` asked for."""

    generation: str
    clause: int
    clip: Clip
    marks: tuple[Mark, ...] = ()


class ClauseSpoken(msgspec.Struct, frozen=True, gc=False):
    """The synthesizer has delivered all audio of a clause."""

    generation: str
    clause: int


class TokenUsage(msgspec.Struct, frozen=True, gc=False):
    """What the engine itself counted; text tokens only (audio tokens are counted by the session, exactly)."""

    input_text: int
    output_text: int


StageName = Literal["stt", "llm", "tts", "upstream"]


class StageUsed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a stage did for an item (`stt`) or a generation, and what that took: for whoever counts and pays. The session goes by none of it.

    name: what really did it, a second choice where the first had failed. first_ms: until something came out; took_ms: until the end. sound_ms:
    of what was heard or spoken. characters: of what was to be spoken. Tokens of sound and of images are among the others. estimated: nobody
    counted the tokens, as when an answer was cut off; they are by the length of the text.
    """

    of: str
    stage: StageName
    name: str
    outcome: Literal["done", "cancelled", "failed"]
    first_ms: int | None
    took_ms: int
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    audio_input_tokens: int = 0
    audio_cached_tokens: int = 0
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    image_cached_tokens: int = 0
    sound_ms: int = 0
    characters: int = 0
    estimated: bool = False


class ResponseFinished(msgspec.Struct, frozen=True, gc=False):
    """The engine has said all it has to say for this generation (its clauses may still be being spoken)."""

    generation: str
    reason: Literal["stop", "max_output_tokens", "content_filter"] = "stop"
    usage: TokenUsage | None = None


class EngineFailed(msgspec.Struct, frozen=True, gc=False):
    """A stage failed; the response of this generation fails, the call goes on."""

    generation: str
    stage: str
    code: str
    message: str


Signal = (
    SpeechProbability
    | TranscriptPartial
    | TurnCompleteness
    | TranscriptFinished
    | TranscriptFailed
    | Prepared
    | TextDelta
    | PreambleOver
    | ToolCall
    | AudioOut
    | ClauseSpoken
    | ResponseFinished
    | EngineFailed
    | StageUsed
    | McpSignal
    | UpstreamSignal
)
