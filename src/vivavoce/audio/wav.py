"""WAV files of 16-bit PCM, a clip per channel."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from vivavoce.audio.clip import Clip
from vivavoce.audio.codec import AudioError


def read_wav(path: Path | str) -> tuple[Clip, ...]:
    """The channels of a WAV file, left first, at the file's own rate (resample before counting ticks of an
    odd one).

    Raises AudioError when it is no WAV file or its samples are not 16-bit PCM, OSError when it cannot be
    read.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, rate_hz, count = file.getsampwidth(), file.getframerate(), file.getnchannels()
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise AudioError(f"{path} is not a PCM WAV file: {error}.") from None
    if width != 2:
        raise AudioError(f"{path} has {8 * width}-bit samples, expected 16-bit.")
    whole = len(raw) // (2 * count) * 2 * count
    samples = np.frombuffer(raw[:whole], "<i2").reshape(-1, count)
    return tuple(Clip(samples[:, channel].tobytes(), rate_hz) for channel in range(count))


def write_wav(path: Path | str, *channels: Clip) -> None:
    """Write one channel per clip, all at one rate; the shorter ones are padded with silence."""
    if not channels:
        raise AudioError("A WAV file needs at least one channel.")
    rate_hz = channels[0].rate_hz
    raw = channels[0].pcm if len(channels) == 1 else interleave(*channels)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(raw)


def mix_stereo(left: Clip, right: Clip) -> bytes:
    """Interleaved stereo samples; the shorter side is padded with silence."""
    return interleave(left, right)


def interleave(*channels: Clip) -> bytes:
    """Samples of all channels in turn, as WAV files keep them. Raises AudioError when the rates differ."""
    rates = {clip.rate_hz for clip in channels}
    if len(rates) != 1:
        raise AudioError(
            f"Channels at different rates ({', '.join(map(str, sorted(rates)))} Hz) cannot be mixed."
        )
    mixed = np.zeros((max(clip.samples for clip in channels), len(channels)), np.int16)
    for column, clip in enumerate(channels):
        mixed[: clip.samples, column] = np.frombuffer(clip.pcm, "<i2")
    return mixed.tobytes()
