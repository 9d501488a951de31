"""Sounds that tests make themselves, and reading what was made."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vivavoce.audio.clip import Clip


def tone(frequency_hz: float, rate_hz: int, duration_ms: int = 1000, amplitude: float = 0.5) -> Clip:
    """A sine wave."""
    time_s = np.arange(rate_hz * duration_ms // 1000) / rate_hz
    return Clip(
        (np.sin(2 * np.pi * frequency_hz * time_s) * amplitude * 32767).astype("<i2").tobytes(), rate_hz
    )


def samples(clip: Clip) -> NDArray[np.float64]:
    """The samples of a clip as floats in -1..1."""
    return np.frombuffer(clip.pcm, "<i2").astype(np.float64) / 32768


def loudest_frequency_hz(clip: Clip) -> float:
    """The frequency with the most energy."""
    spectrum = np.abs(np.fft.rfft(samples(clip) * np.hanning(clip.samples)))
    return float(np.argmax(spectrum) * clip.rate_hz / clip.samples)


def read_wav(path: Path) -> tuple[Clip, ...]:
    """The channels of a WAV file of 16-bit PCM, left first, at the file's own rate."""
    with wave.open(str(path), "rb") as file:
        assert file.getsampwidth() == 2
        interleaved = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        channels = interleaved.reshape(-1, file.getnchannels()).T
        return tuple(Clip(channel.tobytes(), file.getframerate()) for channel in channels)
