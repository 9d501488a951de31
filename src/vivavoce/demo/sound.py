"""Measures of the call's sound: 24 kHz, mono, 16 bit on both sides."""

from __future__ import annotations

import itertools

import numpy as np

RATE_HZ = 24_000
AUDIBLE = 200
"""Samples beyond this amplitude (-44 dBFS) can be heard; what is below is breath and hiss."""


def bytes_of(milliseconds: int) -> int:
    """Bytes of so much sound."""
    return milliseconds * RATE_HZ // 1000 * 2


def milliseconds_of(size: int) -> int:
    """Whole milliseconds in so many bytes."""
    return size // 2 * 1000 // RATE_HZ


def audible_span_ms(pcm: bytes) -> tuple[int, int] | None:
    """Where the first and the last audible sample lie, in milliseconds, or None when all is silent."""
    loud = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) > AUDIBLE)
    if not len(loud):
        return None
    return int(loud[0]) * 1000 // RATE_HZ, int(loud[-1]) * 1000 // RATE_HZ


def levels(pcm: bytes, buckets: int) -> list[int]:
    """The loudness (RMS) of each of `buckets` equal stretches, for drawing: 0..1000 of full scale."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64) / 32768
    edges = np.linspace(0, len(samples), buckets + 1).astype(int)
    powers = [float(np.mean(samples[a:b] ** 2)) if b > a else 0.0 for a, b in itertools.pairwise(edges)]
    return [round(power**0.5 * 1000) for power in powers]
