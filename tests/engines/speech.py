"""Real speech for tests: flite in this process, for those who need sound with known words."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from vivavoce.audio.clip import Clip
from vivavoce.engines.cascade.native_libraries import find_flite
from vivavoce.engines.cascade.tts.flite import Flite
from vivavoce.engines.cascade.tts.voices import choose
from vivavoce.engines.cascade.tts.worker import Request, speak_clause
from vivavoce.session.signals import Mark


@cache
def flite() -> Flite:
    """flite, or a skip where it is not installed."""
    libraries = find_flite()
    if libraries is None:
        pytest.skip("libflite is not installed")
    return Flite(libraries)


@lru_cache(maxsize=64)
def spoken(
    text: str, voice: str = "alloy", speed: float = 1.0, rate_hz: int = 24_000
) -> tuple[Clip, tuple[Mark, ...]]:
    """`text` as one clip, with its marks. `spoken.__wrapped__` says it anew."""
    engine = flite()
    pieces: list[bytes] = []
    marks: list[Mark] = []

    def send(body: tuple[bytes, list[Mark]]) -> None:
        pieces.append(body[0])
        marks.extend(body[1])

    speak_clause(
        Request(text, voice, speed, rate_hz, "en"),
        send,
        lambda: None,
        lambda words, sink: engine.speak(choose(voice).flite, words, speed, sink),
    )
    return Clip(b"".join(pieces), rate_hz), tuple(marks)


def as_floats(clip: Clip) -> NDArray[np.float64]:
    """Samples in -1..1."""
    return np.frombuffer(clip.pcm, "<i2").astype(np.float64) / 32768


def loud_range_ms(clip: Clip, below_peak_db: float = 32.0) -> tuple[float, float]:
    """Where sound starts and ends: 5 ms windows louder than so much below the loudest."""
    size = clip.rate_hz // 200
    samples = as_floats(clip)
    windows = samples[: len(samples) // size * size].reshape(-1, size)
    level = np.sqrt((windows**2).mean(axis=1))
    loud = np.flatnonzero(level > level.max() * 10 ** (-below_peak_db / 20))
    return float(loud[0] * 5), float((loud[-1] + 1) * 5)


def pitch_hz(clip: Clip) -> float:
    """Median fundamental frequency of the voiced parts, by autocorrelation."""
    samples, size = as_floats(clip), clip.rate_hz // 20
    found = []
    for start in range(0, len(samples) - size, size // 2):
        window = samples[start : start + size]
        if window.std() < 0.04:
            continue
        correlation = np.correlate(window, window, "full")[size - 1 :]
        low, high = clip.rate_hz // 350, clip.rate_hz // 60
        lag = low + int(correlation[low:high].argmax())
        if correlation[lag] > 0.5 * correlation[0]:
            found.append(clip.rate_hz / lag)
    return float(np.median(found))
