"""Voice activity: microseconds for each 20 ms frame of a call, and for each window of the model.

python -m bench.vad [--frames 4000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from vivavoce.audio.clip import Clip, Frame
from vivavoce.call.ports import VoiceActivity
from vivavoce.engines.vad import EnergyVoiceActivity, SileroModel
from vivavoce.protocol.errors import EngineError


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure voice activity.")
    parser.add_argument("--frames", type=int, default=4000, help="frames of 20 ms for each line")
    frames = parser.parse_args().frames
    print(f"{'model':10} {'rate':>6}   frame mean / p50 / p99 us   per window us")
    for rate_hz in (8_000, 24_000, 48_000):
        measure(EnergyVoiceActivity.name, EnergyVoiceActivity(), rate_hz, frames)
    try:
        model = SileroModel()
    except EngineError as missing:
        print(missing)
        return
    for rate_hz in (8_000, 16_000, 24_000, 48_000):
        measure(model.name, model.open(), rate_hz, frames)


def measure(name: str, activity: VoiceActivity, rate_hz: int, frames: int) -> None:
    """One line: quiet noise in frames of 20 ms."""
    pcm = (np.random.default_rng(1).normal(size=rate_hz // 50) * 300).astype("<i2").tobytes()
    took, windows = np.zeros(frames), 0
    for number in range(frames):
        frame = Frame(number * 960, Clip(pcm, rate_hz))
        begun = time.perf_counter()
        windows += len(activity.probabilities(frame))
        took[number] = (time.perf_counter() - begun) * 1e6
    p50, p99 = np.percentile(took, [50, 99])
    print(
        f"{name:10} {rate_hz:6}   {took.mean():10.1f} / {p50:.1f} / {p99:.1f}   {took.sum() / windows:15.1f}"
    )


if __name__ == "__main__":
    main()
