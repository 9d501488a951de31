"""What a worker process does for a synthesizer: one clause a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from vivavoce.engines.cascade.native_libraries import find_flite
from vivavoce.engines.cascade.tts import parts
from vivavoce.engines.cascade.tts.delivery import Delivery, PartSink
from vivavoce.engines.cascade.tts.espeak import Espeak
from vivavoce.engines.cascade.tts.flite import Flite
from vivavoce.engines.cascade.tts.text import read_aloud
from vivavoce.engines.cascade.tts.voices import VOICES, choose
from vivavoce.engines.workers import Worker, WorkerJob


class Request(msgspec.Struct, frozen=True):
    """A clause to be spoken: the fields of `Speech`."""

    text: str
    voice: str
    speed: float
    rate_hz: int
    language: str


Speak = Callable[[list[str], PartSink], None]
"""Say the words of one part into a sink."""


def flite(worker: Worker) -> Callable[[WorkerJob], None]:
    """Factory of a worker that speaks English with flite."""
    libraries = find_flite()
    if libraries is None:
        raise FileNotFoundError("libflite is not installed")
    engine = Flite(libraries)
    for name in VOICES:
        # The first words of a voice wait for its pages; let that be nobody's words.
        engine.speak(choose(name).flite, ["ready."], 1.0, PartSink([], 0, Delivery(24_000, _drop), _never))

    def handle(job: WorkerJob) -> None:
        request = msgspec.convert(job.request, Request)
        voice = choose(request.voice).flite
        speak_clause(
            request, job.send, job.check, lambda words, sink: engine.speak(voice, words, request.speed, sink)
        )

    return handle


def espeak(worker: Worker) -> Callable[[WorkerJob], None]:
    """Factory of a worker that speaks any language with espeak-ng."""
    engine = Espeak()
    engine.choose("en", "m1")
    # The first words of a process are slower and longer than all later ones.
    engine.speak(["ready."], 1.0, PartSink([], 0, Delivery(24_000, _drop), _never))

    def handle(job: WorkerJob) -> None:
        request = msgspec.convert(job.request, Request)
        engine.choose(request.language, choose(request.voice).espeak_speaker)
        speak_clause(
            request, job.send, job.check, lambda words, sink: engine.speak(words, request.speed, sink)
        )

    return handle


def speak_clause(
    request: Request, send: Callable[[Any], None], check: Callable[[], None], speak: Speak
) -> None:
    """Read, cut and say one clause; `send` gets (PCM16, marks) pieces, `check` is called at least every 25 ms of sound."""
    delivery = Delivery(request.rate_hz, lambda pcm, marks: send((pcm, marks)))
    said = 0
    cut = parts.cut(read_aloud(request.text, request.language))
    for number, words in enumerate(cut, 1):
        check()
        speak([word.text for word in words], PartSink(words, said, delivery, check))
        said = words[-1].end
        delivery.silence(parts.pause_ms(words, last=number == len(cut)))
    delivery.finish()


def _drop(pcm: bytes, marks: list[tuple[int, int]]) -> None:
    """Warming up is not for anybody's ears."""


def _never() -> None:
    """Warming up is not cancelled."""
