"""A cascade call on a bench: fakes for the four models that do as they are told, and what the call said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from vivavoce.audio.clip import Clip, Frame
from vivavoce.call.ports import (
    EndOfTurn,
    Hints,
    ModelChunk,
    Prompt,
    SaidSoFar,
    Speech,
    Spoken,
    Stages,
)
from vivavoce.engines.cascade.call import CascadeCall
from vivavoce.protocol.errors import EngineError
from vivavoce.protocol.items import InputAudio, InputText, MessageItem
from vivavoce.protocol.responses import LogProb
from vivavoce.session.effects import Request
from vivavoce.session.signals import Signal, StageUsed

SOUND = Clip(bytes(960), 24_000)


class FixedVad:
    """Hears speech in everything, or in nothing."""

    def __init__(self, p: float) -> None:
        self.p = p

    def probabilities(self, frame: Frame) -> list[tuple[int, float]]:
        return [(frame.end, self.p)]


@dataclass
class FakeUtterance:
    words: str
    fails: bool | Exception = False
    on_partial: Callable[[str], None] = print
    fed: int = 0
    cancelled: bool = False
    logprobs: tuple[LogProb, ...] = ()

    def feed(self, clip: Clip) -> None:
        self.fed += clip.samples

    async def peek(self) -> str:
        if self.fails:
            raise EngineError("stt", "no recogniser was free", retryable=True)
        return self.words

    async def finish(self) -> str:
        if isinstance(self.fails, Exception):
            raise self.fails
        if self.fails:
            raise EngineError("stt", "no recogniser was free", retryable=True)
        return self.words

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class FakeListener:
    words: str = "where is my order"
    fails: bool | Exception = False
    logprobs: tuple[LogProb, ...] = ()
    begun: list[FakeUtterance] = field(default_factory=list)
    hints: list[Hints] = field(default_factory=list)

    def configure(self, hints: Hints) -> None:
        self.hints.append(hints)

    def begin(self, on_partial: Callable[[str], None]) -> FakeUtterance:
        self.begun.append(FakeUtterance(self.words, self.fails, on_partial, logprobs=self.logprobs))
        return self.begun[-1]

    def close(self) -> None: ...


@dataclass
class FakeModel:
    chunks: Sequence[ModelChunk | Exception | asyncio.Event] = ()
    prompts: list[Prompt] = field(default_factory=list)
    closed: int = 0
    name: str = "fake"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelChunk, None]:
        self.prompts.append(prompt)
        try:
            for chunk in self.chunks:
                if isinstance(chunk, Exception):
                    raise chunk
                if isinstance(chunk, asyncio.Event):
                    await chunk.wait()
                    continue
                yield chunk
        finally:
            self.closed += 1

    async def close(self) -> None: ...


@dataclass
class FakeVoice:
    fails: bool = False
    name: str = "fake"
    spoken: list[Speech] = field(default_factory=list)

    async def start(self) -> None: ...

    async def speak(self, speech: Speech) -> AsyncGenerator[Spoken, None]:
        if self.fails:
            raise EngineError("tts", "the voice died")
        self.spoken.append(speech)
        yield Spoken(SOUND, ((len(speech.text), SOUND.ticks),))

    async def close(self) -> None: ...


@dataclass
class FakeVadModel:
    p: float
    name: str = "fake"

    def open(self) -> FixedVad:
        return FixedVad(self.p)


@dataclass
class FakeTranscriber:
    listener: FakeListener
    name: str = "fake"
    languages: tuple[str, ...] = ()

    async def start(self) -> None: ...

    def open(self) -> FakeListener:
        return self.listener

    async def close(self) -> None: ...


@dataclass
class FakeEndOfTurn:
    """Keeps what it is asked about."""

    hears: bool = False
    name: str = "fake"
    asked: list[SaidSoFar] = field(default_factory=list)

    async def completeness(self, said: SaidSoFar) -> float:
        self.asked.append(said)
        return 0.25


@dataclass
class Bench:
    """A call on the bench: its fakes, and what it said."""

    listener: FakeListener = field(default_factory=FakeListener)
    model: FakeModel = field(default_factory=FakeModel)
    voice: FakeVoice = field(default_factory=FakeVoice)
    said: list[Signal] = field(default_factory=list)
    speech: float = 1.0
    end_of_turn: EndOfTurn | None = None

    def __post_init__(self) -> None:
        vad, stt = FakeVadModel(self.speech), FakeTranscriber(self.listener)
        self.stages = Stages(vad, stt, self.model, self.voice, end_of_turn=self.end_of_turn)
        self.used: list[StageUsed] = []
        self.call = CascadeCall(self.stages, self.take)

    def take(self, signal: Signal) -> None:
        """What the session goes by apart from what is only counted."""
        if isinstance(signal, StageUsed):
            self.used.append(signal)
        else:
            self.said.append(signal)

    async def settle(self) -> None:
        """Until nothing is left to do, a thread's work included."""
        for _ in range(12):
            await asyncio.sleep(0)
        while any(not task.done() for task in self.call._transcripts.values()):
            await asyncio.wait(self.call._transcripts.values())
        for _ in range(12):
            await asyncio.sleep(0)


def request(*context: MessageItem) -> Request:
    return Request("", context, (), "auto", True, None, True, "marin", 1.0, 24_000)


def typed(text: str) -> MessageItem:
    return MessageItem(id="item_typed", role="user", content=[InputText(text=text)])


def spoken(item_id: str) -> MessageItem:
    return MessageItem(id=item_id, role="user", content=[InputAudio()])
