"""What happened in a call, as `transcript.json` keeps it. All times in milliseconds of the call."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FORMAT = 1
"""Raised when a field changes its meaning."""


class Word(msgspec.Struct):
    """A word and when it was said; `heard` is false for what an interruption kept from being heard."""

    text: str
    start_ms: int
    end_ms: int
    heard: bool = True


class Turn(msgspec.Struct):
    """Somebody speaks, from `start_ms` to `end_ms` as it sounded in the call.

    kind: "line" is the caller's; "preamble" is said before tools answer, "answer" is everything else of the agent.
    understood: what the server recognised of the caller's line. cut: the caller cut in before its end.
    """

    role: Literal["caller", "agent"]
    kind: Literal["line", "preamble", "answer"]
    text: str
    start_ms: int
    end_ms: int
    words: list[Word]
    line: str | None = None
    understood: str | None = None
    item_id: str | None = None
    response_id: str | None = None
    cut: bool = False


class Truncation(msgspec.Struct):
    """The caller cut in: what had been sent, what was heard of it, and the words the server then kept."""

    item_id: str
    at_ms: int
    heard_ms: int
    sent_ms: int
    acknowledged_ms: int | None = None
    kept: str | None = None


class ToolRun(msgspec.Struct):
    """A tool call as the client ran it, found by its call id."""

    call_id: str
    response_id: str
    name: str
    arguments: dict[str, Any]
    called_ms: int
    result: str = ""
    answered_ms: int | None = None


class ResponseRun(msgspec.Struct):
    """A response, with the server's own clock of it: stages in milliseconds after the end of speech (or its creation)."""

    response_id: str
    created_ms: int
    done_ms: int | None = None
    status: str = "in_progress"
    reason: str | None = None
    filler: bool = False
    stages: dict[str, int] = {}


class Latency(msgspec.Struct):
    """One line of the caller: from its last audible sample to the agent's first one, as the caller heard it.

    answer_ms is the same for the first words that are no preamble. Both are None where the agent rightly kept silent.
    responses: the ids of the responses that came of the line, in order.
    """

    line: str
    speech_end_ms: int
    voice_to_voice_ms: int | None
    answer_ms: int | None
    responses: list[str]


class Check(msgspec.Struct):
    """Something the caller wanted, whether it came, and what was found."""

    name: str
    passed: bool
    found: str


class Answering(msgspec.Struct):
    """What answered, in the server's own words."""

    engine: str = ""
    vad: str = ""
    stt: str = ""
    llm: str = ""
    tts: str = ""


class Recording(msgspec.Struct):
    """A call."""

    format: int
    version: str
    seed: int | None
    answering: Answering
    duration_ms: int
    voice_to_voice_p50_ms: int | None
    checks: list[Check]
    turns: list[Turn]
    tools: list[ToolRun]
    truncations: list[Truncation]
    latencies: list[Latency]
    responses: list[ResponseRun]
    errors: list[str]
    late_ms: int = 0
    """How late the caller's sound was at worst, because the machine had no time for it."""


class LoggedEvent(msgspec.Struct):
    """An event on the wire. Runs of audio events are one entry: `count` of them, `audio_ms` of sound."""

    at_ms: int
    sender: Literal["client", "server"]
    type: str
    event: dict[str, Any]
    count: int = 1
    audio_ms: int = 0
    until_ms: int = 0
