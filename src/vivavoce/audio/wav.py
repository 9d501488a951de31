"""Writing WAV files of 16-bit PCM, a clip per channel."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from vivavoce.audio.clip import Clip
from vivavoce.audio.codec import AudioError


def write_wav(path: Path | str, *channels: Clip) -> None:
    """Write one channel per clip, all at one rate; the shorter ones are padded with silence. Raises AudioError and OSError."""
    if not channels:
        raise AudioError("A WAV file needs at least one channel.")
    rate_hz = channels[0].rate_hz
    raw = channels[0].pcm if len(channels) == 1 else interleave(*channels)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(raw)


def interleave(*channels: Clip) -> bytes:
    """Samples of all channels in turn, as WAV files keep them; the shorter ones are padded with silence.

    Raises AudioError when the rates differ.
    """
    rates = {clip.rate_hz for clip in channels}
    if len(rates) != 1:
        raise AudioError(
            f"Channels at different rates ({', '.join(map(str, sorted(rates)))} Hz) cannot be mixed."
        )
    mixed = np.zeros((max(clip.samples for clip in channels), len(channels)), np.int16)
    for column, clip in enumerate(channels):
        mixed[: clip.samples, column] = np.frombuffer(clip.pcm, "<i2")
    return mixed.tobytes()
