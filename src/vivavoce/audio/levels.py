"""How loud a clip is, in decibels below full scale."""

from __future__ import annotations

import math

import numpy as np

from vivavoce.audio.clip import Clip

FLOOR_DBFS = -120.0
"""The level of digital silence and of nothing at all: below the quietest sample (-90 dBFS), and finite."""


def rms_dbfs(clip: Clip) -> float:
    """Root mean square level; a full-scale square wave is 0, a full-scale sine -3."""
    if not clip.pcm:
        return FLOOR_DBFS
    samples = np.frombuffer(clip.pcm, "<i2").astype(np.float32)
    return _decibels(math.sqrt(float(np.dot(samples, samples)) / len(samples)))


def peak_dbfs(clip: Clip) -> float:
    """Level of the loudest sample."""
    if not clip.pcm:
        return FLOOR_DBFS
    samples = np.frombuffer(clip.pcm, "<i2")
    return _decibels(float(max(int(samples.max()), -int(samples.min()))))


def _decibels(amplitude: float) -> float:
    return max(FLOOR_DBFS, 20 * math.log10(amplitude / 32768)) if amplitude > 0 else FLOOR_DBFS
