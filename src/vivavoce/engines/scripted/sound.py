"""The tone that stands for a voice."""

from __future__ import annotations

import math
from array import array
from functools import lru_cache

from vivavoce.audio.clip import Clip, ms_to_ticks
from vivavoce.audio.frames import split
from vivavoce.session.signals import Mark

TONE_HZ = 440


def tone_of(text: str, rate_hz: int, ms_per_char: int) -> list[tuple[Clip, tuple[Mark, ...]]]:
    """A tone as long as the text would take to say, in pieces of 100 ms; each word is marked where it ends."""
    return _tone_of(text, rate_hz, ms_per_char)


@lru_cache(maxsize=256)
def _tone_of(text: str, rate_hz: int, ms_per_char: int) -> list[tuple[Clip, tuple[Mark, ...]]]:
    length_ms = len(text.strip()) * ms_per_char
    samples = length_ms * rate_hz // 1000
    period = _tone(rate_hz)
    sound = Clip((period * (samples * 2 // len(period) + 1))[: samples * 2], rate_hz)
    ends = [at for at in range(1, len(text) + 1) if at == len(text) or text[at].isspace()]
    pieces: list[tuple[Clip, tuple[Mark, ...]]] = []
    position = 0
    for clip in split(sound):
        end = position + clip.ticks
        marks = tuple(
            (chars, ms_to_ticks(chars * ms_per_char))
            for chars in ends
            if position < ms_to_ticks(chars * ms_per_char) <= end
        )
        pieces.append((clip, marks))
        position = end
    return pieces


@lru_cache(maxsize=4)
def _tone(rate_hz: int) -> bytes:
    """One tenth of a second of tone, which holds whole periods at every rate."""
    wave = array(
        "h", (int(8000 * math.sin(2 * math.pi * TONE_HZ * n / rate_hz)) for n in range(rate_hz // 10))
    )
    return wave.tobytes()
