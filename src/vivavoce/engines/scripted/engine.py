"""The scripted engine: voice activity by energy, constant transcripts, scripted answers, a tone for a voice.

For tests, for outside clients that want a server that always does the same, and for measuring the server alone: every stage's
delay can be set and is zero by default.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vivavoce.audio.clip import Frame, ms_to_ticks
from vivavoce.call.ports import Capabilities, EngineCall, EngineNames, Stages, VoiceActivity
from vivavoce.engines.scripted.script import Script, Step
from vivavoce.engines.scripted.sound import tone_of
from vivavoce.engines.scripted.stages import scripted_stages
from vivavoce.engines.vad import EnergyVoiceActivity, SileroModel
from vivavoce.protocol.items import (
    FunctionCallOutputItem,
    InputAudio,
    InputItem,
    InputText,
    McpApprovalResponseItem,
    McpCallItem,
    MessageItem,
)
from vivavoce.session.effects import (
    Cancel,
    EngineEffect,
    Generate,
    JudgeTurn,
    Listen,
    Prepare,
    Request,
    Speak,
    Transcribe,
)
from vivavoce.session.signals import (
    AudioOut,
    ClauseSpoken,
    EngineFailed,
    Prepared,
    ResponseFinished,
    Signal,
    SpeechProbability,
    TextDelta,
    TokenUsage,
    ToolCall,
    TranscriptFinished,
    TranscriptPartial,
    TurnCompleteness,
)

WORD = ms_to_ticks(300)


@dataclass(frozen=True, slots=True)
class ScriptedSettings:
    """Delays in milliseconds. `ms_per_char` is the length of the tone that stands for a character of speech.

    `completeness` (0 to 1) is what it says of every turn at a pause. `speaks` makes an engine that speaks by itself (audio with its transcript), as a relay or an end-to-end model does.
    """

    transcript: str = "hello there"
    completeness: float = 1.0
    script: Script = field(default_factory=Script)
    stt_delay_ms: int = 0
    llm_delay_ms: int = 0
    tts_delay_ms: int = 0
    ms_per_char: int = 60
    speaks: bool = False
    prepares: bool = False
    voice_activity: Literal["energy", "silero"] = "energy"


class ScriptedEngine:
    """Answers every call by the same script."""

    def __init__(self, settings: ScriptedSettings) -> None:
        self.settings = settings
        self.capabilities = Capabilities(
            speaks=settings.speaks,
            prepares=settings.prepares,
            judges_turns=True,
            voiced=settings.voice_activity == "energy",
        )
        self.names = EngineNames("scripted", "script", "constant transcript", "tone", settings.voice_activity)
        self._model: SileroModel | None = None

    async def start(self) -> None:
        """Load the voice activity model, where one is wanted."""
        if self.settings.voice_activity == "silero":
            self._model = SileroModel()

    def open(self, call_id: str, emit: Callable[[Signal], None]) -> EngineCall:
        """Join a call."""
        vad = self._model.open() if self._model else EnergyVoiceActivity()
        return ScriptedCall(self.settings, vad, emit)

    def stages(self) -> Stages:
        """The script by its stages."""
        return scripted_stages(self.settings, self._model)

    async def close(self) -> None:
        """Nothing to free."""


class ScriptedCall:
    """One call's half of the scripted engine."""

    def __init__(
        self, settings: ScriptedSettings, vad: VoiceActivity, emit: Callable[[Signal], None]
    ) -> None:
        self._settings = settings
        self._emit = emit
        self._vad = vad
        self._speaking: tuple[str, int] | None = None
        self._timers: dict[str, list[asyncio.TimerHandle]] = {}
        self._loop = asyncio.get_running_loop()

    def hear(self, frame: Frame) -> Sequence[Signal]:
        """Energy above the threshold is speech, and a word of the transcript is said every 300 ms of it."""
        judged: list[Signal] = [SpeechProbability(at, p) for at, p in self._vad.probabilities(frame)]
        if self._speaking is not None:
            judged += self._partial(*self._speaking, frame.clip.ticks)
        return judged

    def _partial(self, item_id: str, heard: int, more: int) -> list[Signal]:
        self._speaking = item_id, heard + more
        words, before = (heard + more) // WORD, heard // WORD
        text = " ".join(self._settings.transcript.split()[:words])
        return [TranscriptPartial(item_id, text)] if words > before and text else []

    def perform(self, effect: EngineEffect) -> None:
        """Follow the script."""
        settings = self._settings
        match effect:
            case Listen(item_id):
                self._speaking = item_id, 0
            case JudgeTurn(item_id, at):
                self._emit(TurnCompleteness(item_id, at, settings.completeness))
            case Transcribe(item_id, audio):
                self._speaking = None
                # Where there is no sound there are no words, here too.
                words = settings.transcript if any(any(frame.clip.pcm) for frame in audio) else ""
                said = TranscriptFinished(item_id, words)
                self._later(item_id, settings.stt_delay_ms, [said])
            case Generate(generation, _, request):
                self._later(generation, settings.llm_delay_ms, self._answer(generation, request))
            case Prepare(generation, _, request):
                first: list[Signal] = [Prepared(generation, settings.transcript)]
                self._later(generation, settings.llm_delay_ms, first + self._answer(generation, request))
            case Speak(generation, clause, text, _, _, rate_hz):
                sound = tone_of(text, rate_hz, settings.ms_per_char)
                spoken = [AudioOut(generation, clause, clip, marks) for clip, marks in sound]
                self._later(generation, settings.tts_delay_ms, [*spoken, ClauseSpoken(generation, clause)])
            case Cancel(generation):
                for timer in self._timers.pop(generation, []):
                    timer.cancel()

    async def close(self) -> None:
        """Stop what is still to be said."""
        for timers in self._timers.values():
            for timer in timers:
                timer.cancel()
        self._timers.clear()

    def _later(self, key: str, delay_ms: int, signals: Iterable[Signal]) -> None:
        if delay_ms <= 0:
            self._say(key, signals)
            return
        timer = self._loop.call_later(delay_ms / 1000, self._say, key, signals)
        self._timers.setdefault(key, []).append(timer)

    def _say(self, key: str, signals: Iterable[Signal]) -> None:
        for signal in signals:
            self._emit(signal)

    def _answer(self, generation: str, request: Request) -> list[Signal]:
        step = self._settings.script.step(last_said(request.context, self._settings.transcript))
        if step.fail is not None:
            return [EngineFailed(generation, "llm", "scripted_failure", step.fail)]
        end = ResponseFinished(generation, "stop", TokenUsage(*step.usage) if step.usage else None)
        return [*self._words(generation, step, request), *calls_of(generation, step, request), end]

    def _words(self, generation: str, step: Step, request: Request) -> list[Signal]:
        if not step.answer:
            return []
        text: list[Signal] = [TextDelta(generation, step.answer)]
        if not self._settings.speaks or not request.speaks:
            return text
        sound = tone_of(step.answer, request.rate_hz, self._settings.ms_per_char)
        return [*text, *(AudioOut(generation, 0, clip, marks) for clip, marks in sound)]


def calls_of(generation: str, step: Step, request: Request) -> list[Signal]:
    """The step's tool calls; tools the session does not have are called all the same, as models sometimes do."""
    if request.tool_choice == "none":
        return []
    return [ToolCall(generation, call.name, call.arguments) for call in step.calls]


def last_said(context: tuple[InputItem, ...], transcript: str) -> str:
    """What the newest item says: the caller's words, or a tool's output."""
    for item in reversed(context):
        if isinstance(item, FunctionCallOutputItem):
            return item.output
        if isinstance(item, McpCallItem):
            return item.output or (item.error.message if item.error is not None else "")
        if isinstance(item, McpApprovalResponseItem) and not item.approve:
            return item.reason or "not allowed"
        if isinstance(item, MessageItem) and item.role == "user":
            words = [
                part.text if isinstance(part, InputText) else part.transcript or transcript
                for part in item.content
                if isinstance(part, InputText | InputAudio)
            ]
            return " ".join(words)
    return ""
