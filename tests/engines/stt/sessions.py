"""Sessions for the recogniser's tests, and sounds that are no speech."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vivavoce.audio.clip import Clip

LIBRARY_INSTRUCTIONS = "You are at the desk of Elmwood Library. Ask for the card number. If Mrs. Thorvald calls, say hello from Quillon."
LIBRARY_TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "renew_loan",
        "description": "Renews the loan of a book",
        "parameters": {
            "type": "object",
            "properties": {
                "loan_id": {"type": "string", "description": "A letter and four digits, for example K5521"},
                "weeks": {"type": "integer"},
            },
        },
    },
    {
        "type": "function",
        "name": "find_branch",
        "description": "Find a branch of the library",
        "parameters": {
            "type": "object",
            "properties": {"branch": {"type": "string", "enum": ["Harbour Road", "Old Mill"]}},
        },
    },
]


def silence(milliseconds: int, rate_hz: int = 16_000) -> Clip:
    """Digital silence."""
    return Clip(bytes(rate_hz * milliseconds // 1000 * 2), rate_hz)


def padded(clip: Clip, before_ms: int = 300, after_ms: int = 500) -> Clip:
    """A clip as turn detection cuts it: with padding before and silence after."""
    around = [silence(ms, clip.rate_hz).pcm for ms in (before_ms, after_ms)]
    return Clip(around[0] + clip.pcm + around[1], clip.rate_hz)


def _clip(samples: NDArray[np.float64]) -> Clip:
    return Clip(np.clip(samples, -32768, 32767).astype(np.int16).tobytes(), 16_000)


def noises(seconds: float, loudness: float) -> dict[str, Clip]:
    """Sounds of a room without anybody in it. `loudness` is the standard deviation, of 32768."""
    random = np.random.default_rng(5)
    count = int(16_000 * seconds)
    white = random.standard_normal(count)
    spectrum = np.fft.rfft(random.standard_normal(count))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count)
    time = np.arange(count) / 16_000
    hum = sum(np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 3, 5))
    clicks = np.zeros(count)
    for place in random.integers(0, count - 100, int(4 * seconds)):
        clicks[place : place + 60] += 8 * np.exp(-np.arange(60) / 8)
    burst = white * np.pad(np.hanning(3200), (count // 3, count - count // 3 - 3200))
    return {
        "white": _clip(white * loudness),
        "pink": _clip(pink / pink.std() * loudness),
        "hum": _clip(np.asarray(hum) * loudness),
        "clicks": _clip(clicks * loudness),
        "burst": _clip(burst * loudness),
    }
