"""An engine that does what a script tells it to, and hears speech in every sample that is not zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vivavoce.audio.clip import TICKS_PER_MS, Clip, Frame
from vivavoce.audio.frames import split
from vivavoce.call.ports import Capabilities, EngineCall, EngineNames
from vivavoce.session.effects import EngineEffect, Generate, JudgeTurn, Prepare, Speak, Transcribe
from vivavoce.session.signals import AudioOut, Mark, Signal, SpeechProbability
from vivavoce.session.tool_calls import CallTool, ListTools

WINDOW_MS = 20
"""One judgement of voice activity."""


@dataclass(slots=True)
class Task:
    """A generation as the puppet knows it: at what rate it speaks, and which clauses it was asked to say."""

    generation: str
    rate_hz: int = 24_000
    clauses: list[int] = field(default_factory=list)
    spoken_chars: int = 0
    spoken_ticks: int = 0


class PuppetCall:
    """The engine's half of one call. It only remembers what it was asked for; `emit` is for whoever pulls the strings."""

    def __init__(self, emit: Callable[[Signal], None], *, speaks: bool) -> None:
        self.emit = emit
        self.speaks = speaks
        self.tasks: list[Task] = []
        self.unheard: list[str] = []
        """Items whose transcript is asked for, oldest first."""
        self.pauses: list[JudgeTurn] = []
        """Pauses that were to be judged, oldest first."""
        self.listings: list[str] = []
        """Servers whose tools are asked for, oldest first."""
        self.calls: list[str] = []
        """Tools of servers that were called and have not returned, oldest first."""
        self.closed = False

    def hear(self, frame: Frame) -> Sequence[Signal]:
        """Silence is zeros; everything else is a voice."""
        heard: list[Signal] = []
        start = frame.start
        for clip in split(frame.clip, WINDOW_MS):
            start += clip.ticks
            heard.append(SpeechProbability(start, 1.0 if any(clip.pcm) else 0.0))
        return heard

    def perform(self, effect: EngineEffect) -> None:
        """Remember what is asked for."""
        match effect:
            case ListTools():
                self.listings.append(effect.listing)
            case CallTool():
                self.calls.append(effect.call)
            case Transcribe(item_id):
                self.unheard.append(item_id)
            case JudgeTurn():
                self.pauses.append(effect)
            case Generate(generation, _, request) | Prepare(generation, _, request):
                self.tasks.append(Task(generation, request.rate_hz))
            case Speak(generation, clause, _, _, _, rate_hz):
                task = self.task_of(generation)
                task.rate_hz = rate_hz
                task.clauses.append(clause)
                task.spoken_chars = task.spoken_ticks = 0

    def task_of(self, generation: str) -> Task:
        """The task of a generation; a filler has only a `Speak`, and so gets one here."""
        for task in self.tasks:
            if task.generation == generation:
                return task
        self.tasks.append(Task(generation))
        return self.tasks[-1]

    def sound(self, task: Task, length_ms: int, words: str = "") -> None:
        """Say something of the clause in hand that lasts `length_ms`; each of `words` is marked where it ends."""
        clause = task.clauses[-1] if task.clauses else 0
        marks = _marks(task, length_ms, words)
        pcm = b"\x01\x00" * (task.rate_hz * length_ms // 1000)
        for clip in split(Clip(pcm, task.rate_hz)):
            end = task.spoken_ticks + clip.ticks
            due = tuple(mark for mark in marks if task.spoken_ticks < mark[1] <= end)
            task.spoken_ticks = end
            self.emit(AudioOut(task.generation, clause, clip, due))

    async def close(self) -> None:
        """The call is over."""
        self.closed = True


def _marks(task: Task, length_ms: int, words: str) -> list[Mark]:
    """Each word of `words` is as long as any other."""
    marks: list[Mark] = []
    count = len(words.split())
    for number, word in enumerate(words.split(), 1):
        task.spoken_chars += len(word) + (1 if task.spoken_chars else 0)
        marks.append((task.spoken_chars, task.spoken_ticks + length_ms * TICKS_PER_MS * number // count))
    return marks


class PuppetEngine:
    """Opens puppets, for a server or a registry of calls; the newest is `calls[-1]`."""

    names = EngineNames("puppet", "script", "script", "script", "any sound")

    def __init__(self, *, speaks: bool = False, prepares: bool = False) -> None:
        self.capabilities = Capabilities(speaks=speaks, prepares=prepares)
        self.calls: list[PuppetCall] = []

    async def start(self) -> None:
        """There is nothing to load."""

    def open(self, call_id: str, emit: Callable[[Signal], None]) -> EngineCall:
        """Join a call."""
        self.calls.append(PuppetCall(emit, speaks=self.capabilities.speaks))
        return self.calls[-1]

    def stages(self) -> None:
        """A puppet is of one piece."""

    async def close(self) -> None:
        """There is nothing to free."""
