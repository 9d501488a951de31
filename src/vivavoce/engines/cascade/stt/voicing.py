"""Whether somebody's voice is in a sound at all: every English word has a vowel, and vowels are periodic.

A recogniser finds a word in any noise ("if" in a hiss). Noise, clicks and breath repeat nothing between 70 and 400 times a
second; what does is voice, or a hum, which the recogniser reads as one endless word.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
PIECE_SAMPLES = RATE_HZ // 25
"""40 ms, three periods of a deep voice."""

_LIKENESS = 0.45
"""Correlation with itself one period later. Measured: at most 0.43 in white, pink and brown noise, and words have two
pieces or more above 0.45, each of them."""

_LAGS = slice(RATE_HZ // 400, RATE_HZ // 70)
_FFT_SIZE = 2048
_FREQUENCIES_HZ = np.fft.rfftfreq(_FFT_SIZE, 1 / RATE_HZ)
# Hum and rumble have nothing above 400 Hz, voices do; the slope flattens noises that are louder the lower they are.
_WEIGHTS = ((_FREQUENCIES_HZ > 400) & (_FREQUENCIES_HZ < 3500)) * _FREQUENCIES_HZ / 1000
_WINDOW = np.hanning(PIECE_SAMPLES)
_WINDOW_LIKENESS = np.fft.irfft(np.abs(np.fft.rfft(_WINDOW, _FFT_SIZE)) ** 2)
_WINDOW_LIKENESS /= _WINDOW_LIKENESS[0]
_QUIET = 100.0 * PIECE_SAMPLES
_ENOUGH_PIECES = 2


def is_voiced(samples: NDArray[np.int16]) -> bool:
    """Whether a piece of PIECE_SAMPLES samples sounds periodic, at the pitch of a voice."""
    flat = samples - samples.mean()
    power = np.abs(np.fft.rfft(flat * _WINDOW, _FFT_SIZE)) ** 2 * _WEIGHTS
    alike = np.fft.irfft(power)
    if alike[0] < _QUIET:
        return False
    return bool(np.max(alike[_LAGS] / _WINDOW_LIKENESS[_LAGS]) > _LIKENESS * alike[0])


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
