"""Recordings to text: voice activity finds the stretches of speech, the recogniser hears them one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

from vivavoce.audio.clip import Clip, Frame, ms_to_ticks, ticks_to_ms
from vivavoce.audio.frames import split
from vivavoce.call.ports import Hints, Listener, Scored, Stages, VoiceActivity
from vivavoce.protocol.responses import LogProb
from vivavoce.server.rest.errors import ApiError

LONGEST_MS = 28_000
"""A stretch is cut here at the latest: recognisers let no more than a minute wait for them."""
_STEP_MS = 10_000
_FEED_MS = 1000


@dataclass(frozen=True, slots=True)
class Chunking:
    """Where speech begins and ends: the fields of the API's server_vad, with defaults that suit recordings."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 700


@dataclass(frozen=True, slots=True)
class Stretch:
    """Speech between two positions of a recording, in milliseconds. `certainty`: mean probability of speech in it."""

    start_ms: int
    end_ms: int
    certainty: float


@dataclass(frozen=True, slots=True)
class Segment:
    """What was said in a stretch."""

    stretch: Stretch
    text: str
    logprobs: tuple[LogProb, ...] = ()


@dataclass(slots=True)
class _Finder:
    """Stretches out of probabilities, in order."""

    chunking: Chunking
    start_ms: int = 0
    speech_end_ms: int = 0
    spoken: list[float] = field(default_factory=list)
    before_ms: int = 0

    def take(self, at_ms: int, probability: float) -> Stretch | None:
        """A window that ends at `at_ms`; returns the stretch that it closes."""
        if probability >= self.chunking.threshold:
            if not self.spoken:
                self.start_ms = max(self.before_ms, at_ms - 32 - self.chunking.prefix_padding_ms)
            self.spoken.append(probability)
            self.speech_end_ms = at_ms
        silent_ms = at_ms - self.speech_end_ms
        if self.spoken and (
            silent_ms >= self.chunking.silence_duration_ms or at_ms - self.start_ms >= LONGEST_MS
        ):
            return self.close(at_ms)
        return None

    def close(self, at_ms: int) -> Stretch | None:
        """The recording is over, or the stretch long enough."""
        if not self.spoken:
            return None
        stretch = Stretch(self.start_ms, at_ms, sum(self.spoken) / len(self.spoken))
        self.spoken.clear()
        self.before_ms = at_ms
        return stretch


async def stretches(clip: Clip, vad: VoiceActivity, chunking: Chunking) -> AsyncGenerator[Stretch, None]:
    """Where somebody speaks. The model runs in a thread, ten seconds of sound at a time."""
    finder = _Finder(chunking)
    step = ms_to_ticks(_STEP_MS)
    for start in range(0, clip.ticks, step):
        part = Frame(start, clip.cut(start, start + step))
        for at_ms, probability in await asyncio.to_thread(_judge, vad, part):
            if (found := finder.take(at_ms, probability)) is not None:
                yield found
    if (found := finder.close(ticks_to_ms(clip.ticks))) is not None:
        yield found


def _judge(vad: VoiceActivity, part: Frame) -> list[tuple[int, float]]:
    judged: list[tuple[int, float]] = []
    start = part.start
    for clip in split(part.clip):
        judged += [(ticks_to_ms(at), p) for at, p in vad.probabilities(Frame(start, clip))]
        start += clip.ticks
    return judged


async def segments(
    clip: Clip, stages: Stages, hints: Hints, chunking: Chunking
) -> AsyncGenerator[Segment, None]:
    """What is said in a recording, stretch by stretch; nothing at all where nobody speaks.

    Raises EngineError("stt", ...).
    """
    listener = stages.stt.open()
    try:
        listener.configure(hints)
        async with aclosing(stretches(clip, stages.vad.open(), chunking)) as found:
            async for stretch in found:
                text, logprobs = await _heard(listener, _pieces(clip, stretch))
                if text:
                    yield Segment(stretch, text, logprobs)
    finally:
        listener.close()


def _pieces(clip: Clip, stretch: Stretch) -> Iterator[Clip]:
    return split(clip.cut(ms_to_ticks(stretch.start_ms), ms_to_ticks(stretch.end_ms)), _FEED_MS)


async def _heard(listener: Listener, pieces: Iterator[Clip]) -> tuple[str, tuple[LogProb, ...]]:
    utterance = listener.begin(lambda partial: None)
    try:
        for piece in pieces:
            utterance.feed(piece)
            await asyncio.sleep(0)
        text = (await utterance.finish()).strip()
        return text, utterance.logprobs if isinstance(utterance, Scored) else ()
    finally:
        utterance.cancel()


def check_language(language: str | None, stages: Stages, param: str = "language") -> None:
    """Raises ApiError for a language that the recogniser does not understand; better than to hear English in everything."""
    known = stages.stt.languages
    if language and known and language.lower().replace("_", "-").split("-")[0] not in known:
        names = ", ".join(f"'{one}'" for one in known)
        raise ApiError(
            f"The recogniser of this server ({stages.stt.name}) understands {names} only, not '{language}'.",
            param=param,
            code="unsupported_language",
        )


async def words_in(clip: Clip, stages: Stages, hints: Hints) -> str:
    """All that is said in a clip."""
    async with aclosing(segments(clip, stages, hints, Chunking())) as heard:
        return " ".join([segment.text async for segment in heard])
