"""Whether somebody's voice is in a sound at all: every English word has a vowel, and vowels are periodic.

A recogniser finds a word in any noise ("if" in a hiss). Noise, clicks and breath repeat nothing between 70 and 400 times a
second; what does is voice, or a hum, which the recogniser reads as one endless word.
"""

from __future__ import annotations

import numpy as np

RATE_HZ = 16_000
PIECE_SAMPLES = RATE_HZ // 25
"""40 ms, three periods of a deep voice."""

_LAGS = slice(RATE_HZ // 400, RATE_HZ // 70)
_LIKENESS = 0.4
"""Correlation with itself one period later. Measured: at most 0.23 in white and pink noise; words have three pieces or more
above 0.4, each of them."""

_FFT_SIZE = 2048
_QUIET = 20.0
_ENOUGH_PIECES = 2


def is_voiced(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> bool:
    """Whether a piece of PIECE_SAMPLES samples sounds periodic, at the pitch of a voice."""
    flat = samples.astype(np.float64)
    flat -= flat.mean()
    # Rumble and pink noise are alike from sample to sample; without their tilt they are not.
    tilted = flat[1:] - 0.9 * flat[:-1]
    energy = np.cumsum(tilted * tilted)
    if energy[-1] < _QUIET * len(tilted):
        return False
    spectrum = np.fft.rfft(tilted, _FFT_SIZE)
    alike = np.fft.irfft(spectrum * spectrum.conj())[_LAGS]
    lags = np.arange(_LAGS.start, _LAGS.stop)
    heads = energy[len(tilted) - 1 - lags]
    tails = energy[-1] - energy[lags - 1]
    return bool(np.max(alike / np.sqrt(np.maximum(heads * tails, 1.0))) > _LIKENESS)


class Voice:
    """Listens to an utterance until a voice was heard; from then on it costs nothing."""

    def __init__(self) -> None:
        self._rest = b""
        self._voiced = 0

    @property
    def heard(self) -> bool:
        """Whether there was a voice so far: 80 ms of it."""
        return self._voiced >= _ENOUGH_PIECES

    def hear(self, pcm: bytes) -> None:
        """More 16 kHz PCM."""
        if self.heard:
            return
        sound = np.frombuffer(self._rest + pcm, np.int16)
        whole = len(sound) // PIECE_SAMPLES * PIECE_SAMPLES
        for piece in sound[:whole].reshape(-1, PIECE_SAMPLES):
            self._voiced += is_voiced(piece)
        self._rest = sound[whole:].tobytes()
