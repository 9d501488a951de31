"""The sound of the caller's lines: shipped as FLAC for the shipped story, spoken on the spot for any other.

The shipped files were made by `scripts/make_caller_lines.py` with the same voices, so that the call is the same on every
system, also where no flite is installed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from vivavoce.audio.clip import TICKS_PER_MS, Clip
from vivavoce.audio.resample import resample
from vivavoce.call.ports import Speech, Synthesizer
from vivavoce.demo.sound import RATE_HZ
from vivavoce.demo.story import Line, Story

SHIPPED = Path(__file__).with_name("lines")
INDEX = SHIPPED / "lines.json"

Marks = list[tuple[int, int]]
"""(characters of the line said, milliseconds from its first sample), in order."""


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A line as sound at RATE_HZ, and when its words end."""

    text: str
    clip: Clip
    marks: Marks


async def speak_lines(story: Story) -> dict[str, SpokenLine]:
    """Every text of a story, by that text. Raises EngineError where no synthesizer can be started."""
    if story.seed is None:
        return read_shipped()
    synthesizer = make_caller_voice()
    await synthesizer.start()
    try:
        return {
            text: await speak(synthesizer, text, story.cast.caller_voice) for text in texts_of(story.lines)
        }
    finally:
        await synthesizer.close()


def texts_of(lines: tuple[Line, ...]) -> list[str]:
    """Everything the caller may have to say, lines and second attempts."""
    return list(dict.fromkeys(text for line in lines for text in (line.text, line.again) if text))


def make_caller_voice() -> Synthesizer:
    """flite, whose voices the built-in recogniser understands best; espeak-ng where there is none."""
    from vivavoce.engines.cascade.tts.synthesizer import SynthesizerSettings, open_synthesizer

    return open_synthesizer(SynthesizerSettings(workers=1))


async def speak(synthesizer: Synthesizer, text: str, voice: str, rate_hz: int = RATE_HZ) -> SpokenLine:
    """One line."""
    pcm = bytearray()
    marks: Marks = []
    async for piece in synthesizer.speak(Speech(text, voice, 1.0, rate_hz)):
        pcm += piece.clip.pcm
        marks += [(chars, at // TICKS_PER_MS) for chars, at in piece.marks]
    return SpokenLine(text, Clip(bytes(pcm), rate_hz), marks)


def read_shipped() -> dict[str, SpokenLine]:
    """The shipped lines by their text."""
    import soundfile

    spoken = {}
    for entry in json.loads(INDEX.read_text("utf-8")):
        samples, rate_hz = soundfile.read(str(SHIPPED / entry["file"]), dtype="int16")
        clip = resample(Clip(samples.tobytes(), rate_hz), RATE_HZ)
        marks = [(chars, at_ms) for chars, at_ms in entry["marks"]]
        spoken[entry["text"]] = SpokenLine(entry["text"], clip, marks)
    return spoken
