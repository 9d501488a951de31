"""Changing sample rates: whole clips, streams that are played, and streams that are only judged.

`Resampler` is for sound that somebody hears. soxr works in blocks of its own, so output comes late and in
lumps (6 to 115 ms behind, measured) and only `flush` brings the rest. `QuickResampler` is for models that
must answer now: a short filter with a small, constant delay.
"""

from __future__ import annotations

from math import gcd

import numpy as np
import soxr
from numpy.typing import NDArray

from vivavoce.audio.clip import TICKS_PER_SECOND, Clip

_INT16_SCALE = np.float32(1 / 32768)


class Resampler:
    """PCM16 mono from one rate to another, piece by piece. Rates are positive and need not divide 48000.

    After `flush` the output is exactly as long as the input: round(input samples * to_hz / from_hz).
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._pushed = 0
        self._returned = 0
        self._stream = None if from_hz == to_hz else _soxr_stream(from_hz, to_hz)

    @property
    def delay_ticks(self) -> int:
        """How much of what was pushed has not come out yet, in ticks of 1/48000 s."""
        return (
            self._pushed * TICKS_PER_SECOND // self.from_hz - self._returned * TICKS_PER_SECOND // self.to_hz
        )

    def push(self, pcm: bytes) -> bytes:
        """What is ready of the output after `pcm`, an even number of bytes; often nothing yet."""
        self._pushed += len(pcm) // 2
        if self._stream is None:
            self._returned = self._pushed
            return pcm
        out = _pcm(self._stream.resample_chunk(_samples(pcm)))
        self._returned += len(out) // 2
        return out

    def flush(self) -> bytes:
        """The rest of the output. The resampler is then as new, ready for another stream."""
        if self._stream is None:
            return b""  # Everything has come out already.
        rest = _pcm(self._stream.resample_chunk(np.empty(0, np.float32), last=True))
        missing = (2 * self._pushed * self.to_hz + self.from_hz) // (2 * self.from_hz) - self._returned
        self._stream.clear()
        self._pushed = self._returned = 0
        # soxr may end a sample early or late when the length does not divide; positions must not drift.
        return rest[: missing * 2].ljust(missing * 2, b"\0")


def resample(clip: Clip, to_hz: int) -> Clip:
    """`clip` at another rate, of the same duration rounded to whole samples."""
    if clip.rate_hz == to_hz:
        return clip
    resampler = Resampler(clip.rate_hz, to_hz)
    return Clip(resampler.push(clip.pcm) + resampler.flush(), to_hz)


def _soxr_stream(from_hz: int, to_hz: int) -> soxr.ResampleStream:
    # MQ: 96 dB of dynamics are more than speech needs, and HQ only waits longer (speech-engine measurements,
    # section 7).
    # float32, because soxr dithers int16 with a seed taken from the clock: silence would hiss and no run
    # repeat another.
    return soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="MQ")


def _samples(pcm: bytes) -> NDArray[np.float32]:
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    samples *= _INT16_SCALE
    return samples


def _pcm(samples: NDArray[np.float32]) -> bytes:
    scaled = np.rint(samples * np.float32(32768))
    pcm: bytes = np.clip(scaled, -32768, 32767, out=scaled).astype("<i2").tobytes()
    return pcm


class QuickResampler:
    """PCM16 at one rate to float32 samples (-1..1) at another, with a short linear-phase filter.

    Made for 8, 16, 24 and 48 kHz to 16 kHz: rates whose ratio is small. Every push answers with exactly as
    much sound as was pushed, but what it answers with lies `delay_ticks` (constant, 0 to 1.5 ms) behind. Stop
    band below -60 dB from 9 kHz.
    """

    _TAPS_PER_SIDE = 12

    def __init__(self, from_hz: int, to_hz: int) -> None:
        common = gcd(from_hz, to_hz)
        self._down = from_hz // common
        # A lower cut-off needs a longer filter for the same steepness.
        side = 0 if from_hz == to_hz else self._TAPS_PER_SIDE * max(from_hz, to_hz) // to_hz
        self._filter = _phase_filters(to_hz // common, self._down, side)
        self._tail = np.zeros(2 * side, np.float32)
        self.delay_ticks = side * TICKS_PER_SECOND // from_hz

    def push(self, pcm: bytes) -> NDArray[np.float32]:
        """The output that `pcm` (an even number of bytes) completes."""
        samples = _samples(pcm)
        width = len(self._filter)
        if width == 1:
            return samples
        joined = np.concatenate((self._tail, samples))
        blocks = (len(joined) - width) // self._down + 1
        self._tail = joined[blocks * self._down :]
        if not blocks:
            return np.empty(0, np.float32)
        step = joined.itemsize
        windows: NDArray[np.float32] = np.ndarray(
            (blocks, width), np.float32, joined, strides=(self._down * step, step)
        )
        return (windows @ self._filter).ravel()


def _phase_filters(up: int, down: int, side: int) -> NDArray[np.float32]:
    """One column per output sample of a period (`down` samples in, `up` out), rows over the input window.

    The window ends with the period's own samples, which makes the filter causal: its output is `side` input
    samples late.
    """
    if side == 0:
        return np.ones((1, 1), np.float32)
    cutoff = 0.9 * min(1.0, up / down)
    rows = np.arange(2 * side + down) - side
    offsets = rows[:, None] - np.arange(up)[None, :] * down / up
    window = np.where(np.abs(offsets) <= side, np.cos(np.pi * offsets / (2 * side)) ** 2, 0.0)
    taps = np.sinc(offsets * cutoff) * window
    return np.asarray(taps / taps.sum(axis=0), np.float32)
