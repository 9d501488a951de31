"""The scripted engine as stages, for requests that are no call: a constant transcript, the script, a tone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vivavoce.audio.clip import Clip
from vivavoce.call.ports import (
    Hints,
    ModelChunk,
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
    Prompt,
    Speech,
    Spoken,
    Stages,
    VoiceActivity,
    VoiceActivityModel,
)
from vivavoce.engines.scripted.script import Script
from vivavoce.engines.scripted.sound import tone_of
from vivavoce.engines.vad import EnergyVoiceActivity
from vivavoce.protocol.errors import EngineError

if TYPE_CHECKING:
    from vivavoce.engines.scripted.engine import ScriptedSettings

_PIECE_CHARS = 24
_BYTES_PER_TOKEN = 4


def scripted_stages(settings: ScriptedSettings, model: VoiceActivityModel | None) -> Stages:
    """The stages; `model` is the voice activity model where one was loaded."""
    return Stages(
        vad=model or _Energy(),
        stt=ConstantTranscriber(settings.transcript, settings.stt_delay_ms),
        llm=ScriptModel(settings.script, settings.llm_delay_ms),
        tts=ToneSynthesizer(settings.tts_delay_ms, settings.ms_per_char),
    )


class _Energy:
    name = "energy"

    def open(self) -> VoiceActivity:
        return EnergyVoiceActivity()


@dataclass(slots=True)
class ConstantTranscriber:
    """Everybody is heard to say the same."""

    transcript: str
    delay_ms: int
    name: str = "constant transcript"
    languages: tuple[str, ...] = ()

    async def start(self) -> None:
        """There is nothing to load."""

    def open(self) -> ConstantListener:
        """A call's ear."""
        return ConstantListener(self.transcript, self.delay_ms)

    async def close(self) -> None:
        """There is nothing to free."""


@dataclass(slots=True)
class ConstantListener:
    """Adapts to nobody."""

    transcript: str
    delay_ms: int

    def configure(self, hints: Hints) -> None:
        """Nothing can change the transcript."""

    def begin(self, on_partial: Callable[[str], None]) -> ConstantUtterance:
        """Start an utterance."""
        return ConstantUtterance(self.transcript, self.delay_ms)

    def close(self) -> None:
        """There is nothing to free."""


@dataclass(slots=True)
class ConstantUtterance:
    """One stretch of speech that is not listened to."""

    transcript: str
    delay_ms: int

    def feed(self, clip: Clip) -> None:
        """The words do not depend on it."""

    async def peek(self) -> str:
        """What will have been said."""
        return self.transcript

    async def finish(self) -> str:
        """What was said."""
        if self.delay_ms:
            await asyncio.sleep(self.delay_ms / 1000)
        return self.transcript

    def cancel(self) -> None:
        """There is nothing to stop."""


@dataclass(slots=True)
class ScriptModel:
    """The script as a language model: the newest user message or tool output decides."""

    script: Script
    delay_ms: int
    name: str = "script"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelChunk, None]:
        """Text in pieces, then calls, usage and the end. Raises EngineError where the script says so."""
        if self.delay_ms:
            await asyncio.sleep(self.delay_ms / 1000)
        step = self.script.step(newest_text(prompt))
        if step.fail is not None:
            raise EngineError("llm", step.fail)
        kept = step.answer
        if prompt.max_tokens is not None:
            kept = kept.encode()[: prompt.max_tokens * _BYTES_PER_TOKEN].decode(errors="ignore")
        for start in range(0, len(kept), _PIECE_CHARS):
            yield ModelText(kept[start : start + _PIECE_CHARS])
        if prompt.tool_choice != "none":
            for index, call in enumerate(step.calls):
                yield ModelToolCall(index, call.name, call.arguments)
        if step.usage is not None:
            yield ModelUsage(*step.usage)
        yield ModelStop("stop" if kept == step.answer else "max_output_tokens")

    async def close(self) -> None:
        """There is nothing to free."""


@dataclass(slots=True)
class ToneSynthesizer:
    """A tone as long as the text would take to say."""

    delay_ms: int
    ms_per_char: int
    name: str = "tone"

    async def start(self) -> None:
        """There is nothing to load."""

    async def speak(self, speech: Speech) -> AsyncGenerator[Spoken, None]:
        """The tone in pieces of 100 ms."""
        if self.delay_ms:
            await asyncio.sleep(self.delay_ms / 1000)
        for clip, marks in tone_of(
            speech.text, speech.rate_hz, max(1, round(self.ms_per_char / speech.speed))
        ):
            yield Spoken(clip, marks)

    async def close(self) -> None:
        """There is nothing to free."""


def newest_text(prompt: Prompt) -> str:
    """What the newest message of the user or a tool says."""
    for message in reversed(prompt.messages):
        if message.get("role") in ("user", "tool"):
            return text_of(message.get("content"))
    return ""


def text_of(content: Any) -> str:
    """The words of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(part.get("text") or "" for part in parts if isinstance(part, dict)).strip()
