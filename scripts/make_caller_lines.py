"""Make the sound of the demo's shipped story: `.venv/bin/python scripts/make_caller_lines.py`.

Speaks every line with flite at 16 kHz and writes one FLAC per line and `lines.json` (text, file, word ends) into
src/vivavoce/demo/lines/. Needs libflite; the same flite makes the same files.
"""

from __future__ import annotations

import asyncio
import json
import re

import numpy as np
import soundfile

from vivavoce.audio.clip import Clip
from vivavoce.demo.lines import INDEX, SHIPPED, make_caller_voice, speak, texts_of
from vivavoce.demo.story import shipped_story

RATE_HZ = 16_000
STEP = 64
"""Samples are rounded to multiples of this: 10 bits are inaudible below speech, and pack to half the size."""
LARGEST_BYTES = 300_000


async def main() -> None:
    """Write the files and print their sizes."""
    story = shipped_story()
    voice = make_caller_voice()
    await voice.start()
    SHIPPED.mkdir(exist_ok=True)
    for old in SHIPPED.glob("*.flac"):
        old.unlink()
    index = []
    try:
        for text in texts_of(story.lines):
            spoken = await speak(voice, text, story.cast.caller_voice, RATE_HZ)
            name = "-".join(re.findall(r"[a-z0-9]+", text.lower())[:5]) + ".flac"
            write(spoken.clip, name)
            index.append(
                {"text": text, "file": name, "voice": story.cast.caller_voice, "marks": spoken.marks}
            )
    finally:
        await voice.close()
    entries = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in index)
    INDEX.write_text(f"[\n{entries}\n]\n", "utf-8")
    report()


def write(clip: Clip, name: str) -> None:
    """One mono FLAC."""
    samples = np.frombuffer(clip.pcm, "<i2").astype(np.int32)
    rounded = np.clip((samples + STEP // 2) // STEP * STEP, -32768, 32767 // STEP * STEP).astype(np.int16)
    soundfile.write(str(SHIPPED / name), rounded, clip.rate_hz, subtype="PCM_16", format="FLAC")


def report() -> None:
    """Sizes, and a stop when they have grown too large to ship."""
    total = 0
    for path in sorted(SHIPPED.glob("*.flac")):
        total += path.stat().st_size
        print(f"{path.stat().st_size:7} {path.name}")
    print(f"{total:7} in all")
    if total > LARGEST_BYTES:
        raise SystemExit(f"more than {LARGEST_BYTES} bytes: shorten the lines or raise STEP")


if __name__ == "__main__":
    asyncio.run(main())
