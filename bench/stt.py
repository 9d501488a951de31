"""Speech to text: words and identifiers right, per voice; time to a peek and to the end; CPU; words heard in noise.

    python -m bench.stt [--seed 11] [--sentences 12] [--paced 16] [--general]

Callers are flite's voices, through the recogniser processes as a call uses them, at 24 kHz. The sessions and sentences below are
for measuring only: no model, phrase list or rule of the recogniser was made from them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jiwer
import numpy as np

from bench.figures import percentile, shown, table
from vivavoce.audio.clip import Clip, ms_to_ticks
from vivavoce.audio.resample import resample
from vivavoce.call.ports import Hints
from vivavoce.engines.cascade.native_libraries import find_flite
from vivavoce.engines.cascade.stt import PocketsphinxSettings, PocketsphinxTranscriber
from vivavoce.engines.cascade.stt.transcriber import PocketsphinxListener
from vivavoce.engines.cascade.tts.flite import Flite
from vivavoce.engines.cascade.tts.voices import choose
from vivavoce.engines.cascade.tts.worker import Request, speak_clause

VOICES = ("slt", "rms", "awb", "kal")
RATE_HZ = 24_000
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CHUNK_MS, BEFORE_MS, PEEK_MS, END_MS = 20, 300, 200, 500
"""Chunks as clients send them; padding before speech; silence at which speculation peeks; silence that ends a turn."""


def _function(name: str, description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": properties},
    }


@dataclass(frozen=True, slots=True)
class Scene:
    """A session, the kinds of its identifiers ("adddd": a letter, four digits), and what its callers say."""

    hints: Hints
    kinds: str
    with_code: tuple[str, ...]
    without: tuple[str, ...]


SCENES = (
    Scene(
        Hints(
            "You help customers of a parcel service. Ask for the parcel number first. Damaged goods go to the claims desk.",
            (
                _function(
                    "track_parcel",
                    "Tracks a parcel.",
                    parcel_number={"type": "string", "description": "The parcel number: one letter and four digits"},
                ),
                _function("change_delivery", "Change the delivery day of a parcel.", day={"type": "string"}),
            ),
        ),
        "adddd",
        ("can you track parcel {} for me", "i am still waiting for {}", "what about number {}", "it says {} on the card", "hello my parcel number is {}"),
        ("could you deliver it on friday instead", "my parcel arrived broken", "i would like to speak to the claims desk", "thank you that helps a lot"),
    ),
    Scene(
        Hints(
            "You are the front desk of the Riverside Gym. Coaches are Amara Okoye and Jonas Lindqvist.",
            (
                _function(
                    "get_membership",
                    "Find out about a membership.",
                    member_id={"type": "string", "pattern": "^[A-Z]{2}\\d{4}$"},
                ),
                _function("book_class", "Book a place in a class.", class_name={"type": "string", "enum": ["yoga", "spinning", "pilates"]}),
            ),
        ),
        "aadddd",
        ("my member id is {}", "the card says {}", "please look at membership {}", "i am {}"),
        ("is there yoga tonight", "book me into spinning on saturday morning", "when does jonas work", "how much is pilates", "no that is all"),
    ),
    Scene(
        Hints(
            "You answer for Castle Bike Repairs.",
            (
                _function(
                    "get_ticket",
                    "Get the state of a repair ticket.",
                    ticket_id={"type": "string", "description": "Ticket id, for example 48213"},
                ),
                _function("get_quote", "Give a price for a repair.", part={"type": "string", "enum": ["brakes", "front wheel", "chain"]}),
            ),
        ),
        "ddddd",
        ("how is ticket {} coming along", "can i pick up {}", "i have ticket {} here", "the ticket is {}"),
        ("how much for new brakes", "my front wheel is bent", "do you also fix scooters", "are you open on sunday", "yes please go ahead"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """What is said, the words it consists of, and its identifier if it has one."""

    said: str
    words: str
    code: str | None = None


def lines_of(scene: Scene, seed: int, count: int) -> Iterator[Line]:
    """Half of them with an identifier, in a random order that the seed decides."""
    chance = random.Random(seed)
    for number in range(count):
        if number % 2:
            text = chance.choice(scene.without)
            yield Line(text, text)
            continue
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        code = "".join(chance.choice(letters if kind == "a" else "0123456789") for kind in scene.kinds)
        words = " ".join(DIGITS[int(sign)] if sign.isdigit() else sign.lower() for sign in code)
        frame = chance.choice(scene.with_code)
        yield Line(frame.format(" ".join(code)), frame.format(words), code)


def speak(flite: Flite, text: str, voice: str) -> Clip:
    """A line as sound."""
    pieces: list[bytes] = []
    speak_clause(
        Request(text, voice, 1.0, RATE_HZ, "en"),
        lambda body: pieces.append(body[0]),
        lambda: None,
        lambda words, sink: flite.speak(choose(voice).flite, words, 1.0, sink),
    )
    return Clip(b"".join(pieces), RATE_HZ)


def silence(milliseconds: int) -> Clip:
    """Digital silence."""
    return Clip(bytes(RATE_HZ * milliseconds // 1000 * 2), RATE_HZ)


@dataclass(slots=True)
class Tally:
    """What was said and heard by one voice."""

    said: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    codes: int = 0
    codes_right: int = 0

    def add(self, line: Line, heard: str) -> None:
        """Count one line."""
        self.said.append(line.words)
        self.heard.append(heard)
        if line.code is not None:
            self.codes += 1
            self.codes_right += line.code in written(heard)

    def row(self, name: str) -> list[str]:
        """Name, word error rate, identifiers right."""
        return [name, f"{jiwer.wer(self.said, self.heard):.3f}", f"{self.codes_right} of {self.codes}"]


def written(heard: str) -> str:
    """Words as one writes identifiers; anything that is no sign becomes a blank."""
    signs = {word: str(value) for value, word in enumerate(DIGITS)} | {"oh": "0"}
    return "".join(signs.get(word, word.upper() if len(word) == 1 else " ") for word in heard.split())


@dataclass(slots=True)
class Timing:
    """Milliseconds until a peek and until the end were answered, and how often both said the same."""

    peek_ms: list[float] = field(default_factory=list)
    finish_ms: list[float] = field(default_factory=list)
    same: int = 0


async def hear(listener: PocketsphinxListener, clip: Clip) -> str:
    """A line as fast as it can be sent."""
    utterance = listener.begin(lambda partial: None)
    for part in (silence(BEFORE_MS), clip, silence(END_MS)):
        for start in range(0, part.ticks, ms_to_ticks(CHUNK_MS)):
            utterance.feed(part.cut(start, start + ms_to_ticks(CHUNK_MS)))
    return await utterance.finish()


async def hear_paced(listener: PocketsphinxListener, clip: Clip, timing: Timing) -> None:
    """A line at the speed of sound, with a peek in the pause, as speculation does it."""
    utterance = listener.begin(lambda partial: None)
    sound = Clip(silence(BEFORE_MS).pcm + clip.pcm + silence(END_MS).pcm, RATE_HZ)
    peek_at = sound.ticks - ms_to_ticks(END_MS - PEEK_MS)
    peeks: list[asyncio.Task[tuple[str, float]]] = []
    started = time.perf_counter()
    for start in range(0, sound.ticks, ms_to_ticks(CHUNK_MS)):
        await asyncio.sleep(started + (start / ms_to_ticks(1) + CHUNK_MS) / 1000 - time.perf_counter())
        utterance.feed(sound.cut(start, start + ms_to_ticks(CHUNK_MS)))
        if start >= peek_at and not peeks:
            peeks.append(asyncio.create_task(_timed_peek(utterance.peek)))
    before = time.perf_counter()
    text = await utterance.finish()
    timing.finish_ms.append((time.perf_counter() - before) * 1000)
    peeked, peek_ms = await peeks[0]
    timing.peek_ms.append(peek_ms)
    timing.same += peeked == text


async def _timed_peek(peek: Any) -> tuple[str, float]:
    before = time.perf_counter()
    return await peek(), (time.perf_counter() - before) * 1000


def noises() -> Iterator[tuple[str, Clip]]:
    """Sounds of a room without anybody in it, quiet to loud."""
    noise = np.random.default_rng(3)
    count = RATE_HZ * 3 // 2
    spectrum = np.fft.rfft(noise.standard_normal(count))
    steps = np.maximum(np.arange(len(spectrum)), 1)
    clicks = np.where(noise.random(count) < 4 / RATE_HZ, 8.0, 0.0)
    hum = sum(np.sin(2 * np.pi * 50 * k * np.arange(count) / RATE_HZ) / k for k in (1, 3, 5))
    sounds = {
        "white": noise.standard_normal(count),
        "pink": np.fft.irfft(spectrum / np.sqrt(steps), count),
        "brown": np.fft.irfft(spectrum / steps, count),
        "clicks": clicks,
        "hum": np.asarray(hum),
    }
    for name, sound in sounds.items():
        for loudness in (30, 300, 3000):
            samples = np.clip(sound / (sound.std() or 1) * loudness, -32768, 32767).astype(np.int16)
            yield f"{name} {loudness}", Clip(samples.tobytes(), RATE_HZ)


def cpu_seconds(pids: list[int]) -> float:
    """CPU time that processes have used."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


async def open_scene(
    transcriber: PocketsphinxTranscriber, scene: Scene, general: bool
) -> PocketsphinxListener:
    """A call of that session, its model ready; without one to measure the general model alone."""
    listener = transcriber.open()
    if not general:
        listener.configure(scene.hints)
        assert listener.language is not None
        assert listener.language.building is not None
        await listener.language.building
    return listener


async def accuracy(transcriber: PocketsphinxTranscriber, flite: Flite, arguments: argparse.Namespace) -> None:
    """One row a voice, a new caller per session."""
    tallies = {voice: Tally() for voice in VOICES}
    seconds = cpu = 0.0
    for scene in SCENES:
        for voice, tally in tallies.items():
            listener = await open_scene(transcriber, scene, arguments.general)
            before = cpu_seconds(transcriber.pids)
            for line in lines_of(scene, arguments.seed, arguments.sentences):
                clip = speak(flite, line.said, voice)
                heard = await hear(listener, clip)
                seconds += clip.ticks / 48_000 + (BEFORE_MS + END_MS) / 1000
                tally.add(line, heard)
                if arguments.verbose and heard != line.words:
                    print(f"  {voice}: {line.words} | {heard}")
            cpu += cpu_seconds(transcriber.pids) - before
            listener.close()
    rows = [tally.row(voice) for voice, tally in tallies.items()]
    everything = Tally()
    for tally in tallies.values():
        everything.said += tally.said
        everything.heard += tally.heard
        everything.codes += tally.codes
        everything.codes_right += tally.codes_right
    print(table(("voice", "word error rate", "identifiers right"), [*rows, everything.row("all")]))
    print(f"{len(everything.said)} lines, {seconds:.0f} s of sound, {cpu / seconds:.3f} s of CPU for each")


async def latency(transcriber: PocketsphinxTranscriber, flite: Flite, arguments: argparse.Namespace) -> None:
    """The pace of a live call, alone."""
    timing = Timing()
    listener = await open_scene(transcriber, SCENES[0], arguments.general)
    for number, line in enumerate(lines_of(SCENES[0], arguments.seed + 1, arguments.paced)):
        await hear_paced(listener, speak(flite, line.said, VOICES[number % 3]), timing)
    listener.close()
    for name, values in (("peek", timing.peek_ms), ("finish", timing.finish_ms)):
        print(f"{name}: p50 {shown(percentile(values, 50))} ms, p95 {shown(percentile(values, 95))} ms")
    print(f"the end says what the peek said: {timing.same} of {len(timing.peek_ms)}")


async def noise(transcriber: PocketsphinxTranscriber) -> None:
    """What is heard where nobody speaks."""
    listener = await open_scene(transcriber, SCENES[0], general=False)
    heard = {name: await hear(listener, resample(sound, RATE_HZ)) for name, sound in noises()}
    listener.close()
    wrong = {name: text for name, text in heard.items() if text}
    print(f"noises that were heard as words: {len(wrong)} of {len(heard)} {wrong or ''}".rstrip())


async def measure(arguments: argparse.Namespace) -> None:
    """Print everything."""
    libraries = find_flite()
    if libraries is None:
        raise SystemExit("libflite is not installed: there is no caller to measure with")
    flite = Flite(libraries)
    transcriber = PocketsphinxTranscriber(PocketsphinxSettings(workers=1, warm=1))
    await transcriber.start()
    try:
        await accuracy(transcriber, flite, arguments)
        await latency(transcriber, flite, arguments)
        await noise(transcriber)
    finally:
        await transcriber.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure speech to text.")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--sentences", type=int, default=12, help="lines by each voice in each session")
    parser.add_argument("--paced", type=int, default=16, help="lines at the speed of sound, for the times")
    parser.add_argument("--general", action="store_true", help="without session models")
    parser.add_argument("--verbose", action="store_true", help="print every line that was misheard")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
