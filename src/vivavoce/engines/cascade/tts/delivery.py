"""From what a synthesizer gives, at its own rate, to what is sent: pieces of bounded length at the wanted rate, with marks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from vivavoce.audio.clip import TICKS_PER_SECOND
from vivavoce.audio.resample import Resampler
from vivavoce.engines.cascade.tts.collector import SpokenWord
from vivavoce.session.signals import Mark

PIECE_MS = 100
Emit = Callable[[bytes, list[Mark]], None]


class Delivery:
    """One clause on its way out. The first piece leaves as soon as there is one, the others when they are
    full.

    A mark leaves with the piece that holds its position, or with the last one.
    """

    def __init__(self, to_hz: int, emit: Emit) -> None:
        """emit: called with PCM16 at `to_hz`, never empty, and its marks; what it raises passes through."""
        self._to_hz = to_hz
        self._emit = emit
        self._resampler: Resampler | None = None
        self._taken = 0
        self._ready = bytearray()
        self._emitted = 0
        self._marks: deque[Mark] = deque()
        self._marked = 0

    @property
    def position(self) -> int:
        """Samples taken so far, at the synthesizer's rate."""
        return self._taken

    def begin(self, from_hz: int) -> None:
        """The rate of what follows, the same for all parts of a clause."""
        if self._resampler is None:
            self._resampler = Resampler(from_hz, self._to_hz)
        elif self._resampler.from_hz != from_hz:
            raise ValueError(f"a clause cannot go on at {from_hz} Hz after {self._resampler.from_hz} Hz")

    def mark(self, char_end: int, sample: int) -> None:
        """At `sample` (counted like `position`) the text up to `char_end` has been said. In order of both.

        A mark that says nothing new is left out.
        """
        assert self._resampler is not None
        if char_end > self._marked:
            self._marked = char_end
            self._marks.append((char_end, sample * TICKS_PER_SECOND // self._resampler.from_hz))

    def audio(self, pcm: bytes, gain: float = 1.0) -> None:
        """More sound, loud sounds clipped rather than wrapped."""
        assert self._resampler is not None
        if gain != 1.0:
            louder = np.frombuffer(pcm, "<i2").astype(np.float32) * np.float32(gain)
            pcm = np.clip(louder, -32768, 32767, out=louder).astype("<i2").tobytes()
        self._taken += len(pcm) // 2
        self._ready += self._resampler.push(pcm)
        self._send_full_pieces()

    def silence(self, milliseconds: int) -> None:
        """A pause."""
        assert self._resampler is not None
        self.audio(bytes(2 * (self._resampler.from_hz * milliseconds // 1000)))

    def finish(self) -> None:
        """Send what is left. Nothing at all where nothing was said."""
        if self._resampler is None:
            return
        self._ready += self._resampler.flush()
        self._send_full_pieces()
        if self._ready:
            self._send(len(self._ready), everything=True)

    def _send_full_pieces(self) -> None:
        size = 2 * (self._to_hz * PIECE_MS // 1000)
        # One piece is held back, so that the last one is never empty and can take the last marks.
        while len(self._ready) > size or (self._ready and not self._emitted):
            self._send(min(size, len(self._ready)))

    def _send(self, size: int, everything: bool = False) -> None:
        pcm = bytes(self._ready[:size])
        del self._ready[:size]
        self._emitted += len(pcm) // 2
        end = self._emitted * TICKS_PER_SECOND // self._to_hz
        marks: list[Mark] = []
        while self._marks and (everything or self._marks[0][1] <= end):
            char_end, ticks = self._marks.popleft()
            marks.append((char_end, min(ticks, end)))
        self._emit(pcm, marks)


class PartSink:
    """Takes the speech of one part of a clause from a synthesizer. Whatever a method raises must end the synthesis."""

    def __init__(
        self, words: Sequence[SpokenWord], said_before: int, delivery: Delivery, check: Callable[[], None]
    ) -> None:
        """said_before: characters of the text before the part. check: called often; raises when nobody listens any more."""
        self._ends = [said_before, *(word.end for word in words)]
        self._delivery = delivery
        self._check = check
        self._start = delivery.position

    def begin(self, rate_hz: int) -> None:
        """The rate of what follows."""
        self._delivery.begin(rate_hz)

    def said(self, words: float, sample: int) -> None:
        """So many of the part's words (a fraction for part of one) end at `sample`, counted from the part's first."""
        whole = min(int(words), len(self._ends) - 1)
        end = self._ends[whole]
        if words > whole and whole + 1 < len(self._ends):
            end += int((self._ends[whole + 1] - end) * (words - whole))
        self._delivery.mark(end, self._start + sample)

    def audio(self, pcm: bytes, gain: float = 1.0) -> None:
        """More sound."""
        self._check()
        self._delivery.audio(pcm, gain)
