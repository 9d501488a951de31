"""Text to speech: time to first sound, speed against real time, level; per voice, through the worker processes as a call uses them.

    python -m bench.tts [--runs 20] [--parallel 4]

Also how long a voice stays busy after its listener has gone, and what waiting for a voice costs when more clauses come than
there are workers.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass

from bench.figures import middle, percentile
from vivavoce.audio.clip import Clip
from vivavoce.audio.levels import rms_dbfs
from vivavoce.call.ports import Speech, Synthesizer
from vivavoce.engines.cascade.tts import EspeakSynthesizer, FliteSynthesizer, SynthesizerSettings
from vivavoce.protocol.errors import EngineError

CLAUSES = (
    "Your order is shipped, arriving Tuesday.",
    "You meet Sable Crust Robotics in twelve minutes.",
    "Let me look that up for you right away.",
    "Security review is the blocker at the moment.",
)
"""Six to nine words each."""
LONG = "It was a long day and nobody could tell me when the parcel would finally arrive at the door. " * 20
VOICES = ("slt", "rms", "awb", "kal")


@dataclass(frozen=True, slots=True)
class Run:
    """Milliseconds to the first piece and to the last, and what was said."""

    first_ms: float
    total_ms: float
    clip: Clip

    @property
    def real_time_factor(self) -> float:
        """Time spent for each second of speech."""
        return self.total_ms / (self.clip.ticks / 48)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure text to speech.")
    parser.add_argument("--runs", type=int, default=20, help="times each clause is said by each voice")
    parser.add_argument("--parallel", type=int, default=4, help="clauses at once in the last line")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.runs, arguments.parallel))


async def measure(runs: int, parallel: int) -> None:
    """Print one line a voice, for every synthesizer this machine has."""
    workers = SynthesizerSettings().workers
    print(f"{'voice':24} first ms p50 / p95   RTF     level dBFS")
    for make, voices in ((FliteSynthesizer, VOICES), (EspeakSynthesizer, ("alloy",))):
        try:
            synthesizer = make(workers)
            await synthesizer.start()
        except EngineError as missing:
            print(missing)
            continue
        try:
            for voice in voices:
                print_voice(f"{synthesizer.name.split()[0]} {voice}", await say_all(synthesizer, voice, runs))
            print(
                f"  busy after a cancel: {await cancelled_ms(synthesizer):.1f} ms until the next clause's first sound"
            )
            firsts = sorted(run.first_ms for run in await crowd(synthesizer, parallel))
            print(
                f"  {parallel} clauses at once, {workers} workers: first sound after {firsts[0]:.0f} to {firsts[-1]:.0f} ms"
            )
        finally:
            await synthesizer.close()


def print_voice(name: str, runs: list[Run]) -> None:
    """One line of the table."""
    firsts = [run.first_ms for run in runs]
    p50, p95 = percentile(firsts, 50), percentile(firsts, 95)
    factor = sum(run.real_time_factor for run in runs) / len(runs)
    level = sum(rms_dbfs(run.clip) for run in runs) / len(runs)
    print(f"{name:24} {p50:8.1f} / {p95:5.1f}   {factor:.4f}   {level:6.1f}")


async def say(synthesizer: Synthesizer, text: str, voice: str) -> Run:
    """Say one clause and keep the times."""
    begun = time.perf_counter()
    first_ms, pcm = 0.0, b""
    async for piece in synthesizer.speak(Speech(text, voice, 1.0, 24_000)):
        first_ms = first_ms or (time.perf_counter() - begun) * 1000
        pcm += piece.clip.pcm
    return Run(first_ms, (time.perf_counter() - begun) * 1000, Clip(pcm, 24_000))


async def say_all(synthesizer: Synthesizer, voice: str, runs: int) -> list[Run]:
    """Every clause, `runs` times, one after the other."""
    return [await say(synthesizer, text, voice) for _ in range(runs) for text in CLAUSES]


async def crowd(synthesizer: Synthesizer, count: int) -> list[Run]:
    """So many clauses asked for at the same moment."""
    return await asyncio.gather(
        *(say(synthesizer, CLAUSES[at % len(CLAUSES)], "alloy") for at in range(count))
    )


async def cancelled_ms(synthesizer: Synthesizer) -> float:
    """Median time from leaving a long answer to the first sound of the next clause, all workers having been busy."""
    times = []
    for _ in range(15):
        busy = [
            synthesizer.speak(Speech(LONG, "alloy", 1.0, 24_000))
            for _ in range(SynthesizerSettings().workers)
        ]
        for pieces in busy:
            await anext(pieces)
        for pieces in busy:
            await pieces.aclose()
        times.append((await say(synthesizer, CLAUSES[0], "alloy")).first_ms)
    return middle(times)


if __name__ == "__main__":
    main()
