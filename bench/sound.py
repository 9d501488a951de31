"""What callers say: a voice made from formants, silence, and cutting both into chunks.

The voice is a buzz through three moving formants, five vowels a second: no words, but speech to Silero as well as to an energy
threshold, the same on every machine, and nothing to ship.
"""

from __future__ import annotations

from functools import cache

import numpy as np

RATE_HZ = 24_000
BYTES_PER_MS = RATE_HZ * 2 // 1000

_VOWELS_HZ = ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (530, 1840, 2480), (300, 870, 2240))
_BANDS = ((90.0, 1.0), (110.0, 0.5), (170.0, 0.25))
_SYLLABLE_S = 0.18
_HARMONICS = 40
_PEAK = 9000


@cache
def voice(length_ms: int) -> bytes:
    """`length_ms` of PCM16 mono at 24 kHz that a voice activity model takes for speech from beginning to end."""
    count = RATE_HZ * length_ms // 1000
    seconds = np.arange(count) / RATE_HZ
    pitch_hz = 120 + 15 * np.sin(2 * np.pi * 0.7 * seconds + 1) + 8 * np.sin(2 * np.pi * 2.3 * seconds)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    syllable = seconds / _SYLLABLE_S
    vowel = syllable.astype(int)
    glide = np.clip((syllable - vowel) * 3, 0, 1)[:, None]
    table = np.array(_VOWELS_HZ, float)
    formants_hz = table[vowel % 5] * glide + table[(vowel - 1) % 5] * (1 - glide)
    wave = np.zeros(count)
    for harmonic in range(1, _HARMONICS):
        for formant, (width_hz, gain) in enumerate(_BANDS):
            offset = (harmonic * pitch_hz - formants_hz[:, formant]) / width_hz
            wave += gain / (1 + offset**2) * np.sin(harmonic * phase)
    wave *= 0.65 + 0.35 * np.sin(2 * np.pi * (syllable - 0.25))
    wave *= _PEAK / np.abs(wave).max()
    return wave.astype("<i2").tobytes()


def silence(length_ms: int) -> bytes:
    """Digital silence."""
    return bytes(length_ms * BYTES_PER_MS)


@cache
def room(length_ms: int, dbfs: float = -60.0) -> bytes:
    """A quiet room as a microphone hears it: white noise of this RMS level, the same every time."""
    count = RATE_HZ * length_ms // 1000
    noise = np.random.default_rng(1).normal(size=count) * 32768 * 10 ** (dbfs / 20)
    return noise.round().astype("<i2").tobytes()


def chunks(pcm: bytes, chunk_ms: int) -> list[bytes]:
    """`pcm` in pieces of `chunk_ms`, the last one filled up with silence."""
    size = chunk_ms * BYTES_PER_MS
    return [pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size)]
