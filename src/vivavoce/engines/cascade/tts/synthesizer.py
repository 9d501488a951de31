"""Synthesizers as the cascade sees them: clauses go to worker processes, pieces of speech come back."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal

from vivavoce.audio.clip import Clip
from vivavoce.call.ports import Speech, Spoken, Synthesizer
from vivavoce.engines.cascade.native_libraries import find_flite
from vivavoce.engines.cascade.tts.text import is_english
from vivavoce.engines.workers import WorkerPool
from vivavoce.engines.workers.pool import PoolSize
from vivavoce.engines.workers.process import Blueprint
from vivavoce.protocol.errors import EngineError

SLOWEST, FASTEST = 0.25, 4.0
_WORKER = "vivavoce.engines.cascade.tts.worker"


@dataclass(frozen=True, slots=True)
class SynthesizerSettings:
    """engine: "auto" takes flite for English where it is installed and espeak-ng for the rest.

    workers: clauses that can be synthesized at the same time, at least 1.
    """

    engine: Literal["auto", "flite", "espeak"] = "auto"
    workers: int = max(1, min(4, os.cpu_count() or 1))


class WorkerSynthesizer:
    """One kind of voice in a pool of processes.

    exact_marks: marks come from the synthesizer's own word boundaries rather than from a guess by length.
    """

    exact_marks = True

    def __init__(self, name: str, pool: WorkerPool) -> None:
        self.name = name
        self._pool = pool

    async def start(self) -> None:
        """Start the warm workers. Raises EngineError("tts", ...)."""
        await self._pool.start()

    async def speak(self, speech: Speech) -> AsyncGenerator[Spoken, None]:
        """Pieces of `speech`, none where there is nothing to say. Closing the iterator frees the voice.

        Raises EngineError("tts", ...), retryable when the worker died or none was free.
        """
        request = {
            "text": speech.text,
            "voice": speech.voice,
            "speed": min(FASTEST, max(SLOWEST, speech.speed)),
            "rate_hz": speech.rate_hz,
            "language": speech.language,
        }
        begun = False
        try:
            async with await self._pool.acquire(request) as job:
                async for pcm, marks in job:
                    begun = True
                    yield _spoken(pcm, marks, speech.rate_hz)
        except EngineError as failed:
            if begun or not failed.retryable:
                raise
        else:
            return
        # A worker that died while nobody used it is noticed only now; nothing was said, so another one may
        # say it.
        async with await self._pool.acquire(request) as job:
            async for pcm, marks in job:
                yield _spoken(pcm, marks, speech.rate_hz)

    async def close(self) -> None:
        """End the workers."""
        await self._pool.close()


class FliteSynthesizer(WorkerSynthesizer):
    """English with flite's statistical voices."""

    def __init__(self, workers: int = 2) -> None:
        """Raises EngineError when libflite is not installed."""
        libraries = find_flite()
        if libraries is None:
            raise EngineError("tts", "libflite is not installed: run `make setup` or install libflite1")
        voices = dict.fromkeys("kal" if name == "kal16" else name for name in libraries.voices)
        super().__init__(f"flite ({', '.join(voices)})", _pool("flite", workers, warm=workers))


class EspeakSynthesizer(WorkerSynthesizer):
    """Any language with espeak-ng, in processes of their own for its licence's sake."""

    def __init__(self, workers: int = 2, warm: int = 1) -> None:
        """warm: workers that stand ready from the start. Raises EngineError when the package is not installed."""
        if importlib.util.find_spec("espeakng_loader") is None:
            raise EngineError("tts", "espeak-ng is not installed: install the package espeakng-loader")
        super().__init__("espeak-ng", _pool("espeak", workers, warm))


class RoutedSynthesizer:
    """English to one synthesizer, everything else to another."""

    exact_marks = True

    def __init__(self, english: Synthesizer, others: Synthesizer) -> None:
        self.name = english.name
        self._english = english
        self._others = others

    async def start(self) -> None:
        """Start both. Raises EngineError("tts", ...)."""
        await self._english.start()
        await self._others.start()

    def speak(self, speech: Speech) -> AsyncGenerator[Spoken, None]:
        """As the synthesizer for the language does."""
        return (self._english if is_english(speech.language) else self._others).speak(speech)

    async def close(self) -> None:
        """Close both."""
        await self._english.close()
        await self._others.close()


def open_synthesizer(settings: SynthesizerSettings | None = None) -> Synthesizer:
    """The synthesizer this machine can offer. Raises EngineError("tts", ...) that says what to install."""
    settings = settings or SynthesizerSettings()
    if settings.engine == "espeak" or (settings.engine == "auto" and find_flite() is None):
        return EspeakSynthesizer(settings.workers)
    english = FliteSynthesizer(settings.workers)
    try:
        # Most servers never speak anything else, so its workers start with the first sentence that needs one.
        return RoutedSynthesizer(english, EspeakSynthesizer(settings.workers, warm=0))
    except EngineError:
        return english


def _spoken(pcm: bytes, marks: list[list[int]], rate_hz: int) -> Spoken:
    return Spoken(Clip(pcm, rate_hz), tuple((char_end, ticks) for char_end, ticks in marks))


def _pool(factory: str, most: int, warm: int) -> WorkerPool:
    return WorkerPool(Blueprint(f"{_WORKER}:{factory}", "tts"), PoolSize(most=most, warm=min(warm, most)))
