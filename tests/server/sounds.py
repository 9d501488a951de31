"""Sound for tests that need no words: a hum in every wire format."""

from __future__ import annotations

from collections.abc import Iterator

from vivavoce.audio.clip import Clip
from vivavoce.audio.codec import encode_audio, wire_rate_hz
from vivavoce.audio.resample import resample

FORMATS = ("audio/pcm", "audio/pcmu", "audio/pcma")


def hum(ms: int) -> bytes:
    """PCM at 24 kHz of a 500 Hz square wave, loud enough for anybody to call it speech by its level."""
    return ((b"\x00\x20" * 24 + b"\x00\xe0" * 24) * (ms // 2 + 1))[: ms * 48]


def pieces(pcm: bytes, wire: str = "audio/pcm") -> Iterator[str]:
    """24 kHz PCM as base64 in a wire format, 20 ms an event."""
    clip = resample(Clip(pcm, 24_000), wire_rate_hz(wire))
    size = clip.rate_hz // 50 * 2
    for start in range(0, len(clip.pcm), size):
        yield encode_audio(Clip(clip.pcm[start : start + size], clip.rate_hz), wire)
