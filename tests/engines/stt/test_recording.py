"""What is kept of what was heard, for recognisers that are sent it as a whole."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.engines.cascade.rig import FakeListener, FakeTranscriber
from vivavoce.audio.clip import Clip
from vivavoce.engines.cascade.stt import recording as module
from vivavoce.engines.cascade.stt import second as second_module
from vivavoce.engines.cascade.stt.recording import Recording
from vivavoce.engines.cascade.stt.second import SecondTranscriber

LOUD = Clip(b"\x00\x20\x00\xe0" * 800, 16_000)
"""100 ms at the rate that is kept."""
SILENT = Clip(bytes(3200), 16_000)


def length_ms(wav: bytes) -> int:
    with wave.open(io.BytesIO(wav)) as file:
        return int(file.getnframes() * 1000 // file.getframerate())


def test_a_microphone_that_is_left_open_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_MS", 1000)
    heard = Recording(16_000)
    for _ in range(50):
        heard.add(LOUD)
        assert len(heard._pcm) <= 1100 * 32
    assert heard.duration_ms == 5000
    assert 1000 <= length_ms(heard.wav()) <= 1100
    # Positions go on counting from the first sample, and what is gone is simply not there.
    assert heard.pcm(heard.samples - 1600, heard.samples) == LOUD.pcm
    assert heard.pcm(0, 1600) == b""


def test_pieces_of_any_size_are_the_same_sound() -> None:
    """One resampler for all of them: one for each piece would leave a click at every seam."""
    tone = (8000 * np.sin(np.arange(24_000) * 0.1)).astype("<i2").tobytes()
    whole, pieces = Recording(16_000), Recording(16_000)
    whole.add(Clip(tone, 24_000))
    for at in range(0, len(tone), 960):
        pieces.add(Clip(tone[at : at + 960], 24_000))
    assert whole.pcm(0, pieces.samples) == pieces.pcm(0, whole.samples)
    # A client may change its format in the middle; nothing of what came before gets lost.
    pieces.add(Clip(bytes(1600), 8_000))
    pieces.end()
    assert pieces.duration_ms == 1100


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_the_end_of_what_was_said_is_part_of_it(rate_hz: int) -> None:
    """Where a button ends the turn, no silence follows the last word, and a resampler holds up to a tenth of a second back."""
    heard = Recording(16_000)
    said = b""
    for _ in range(10):
        said += heard.add(Clip(bytes(rate_hz // 50 * 2), rate_hz))
    said += heard.end()
    assert heard.duration_ms == 200
    assert len(said) == 2 * heard.samples
    assert heard.end() == b""


def test_whether_anything_was_said_since_is_judged_by_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_MS", 1000)
    heard = Recording(16_000)
    for _ in range(30):
        heard.add(LOUD)
    read_until = heard.samples
    for _ in range(3):
        heard.add(SILENT)
    assert heard.quiet_since(read_until)
    heard.add(LOUD)
    assert not heard.quiet_since(read_until)


def test_a_second_recogniser_hears_the_end_of_a_very_long_utterance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_module, "LONGEST_MS", 1000)
    first, second = FakeListener(fails=True), FakeListener()
    both = SecondTranscriber(FakeTranscriber(first), FakeTranscriber(second))

    async def one(on_partial: Callable[[str], None] = print) -> Any:
        utterance = both.open().begin(on_partial)
        for _ in range(30):
            utterance.feed(LOUD)
        return await utterance.finish()

    assert asyncio.run(one()) == "where is my order"
    assert [one.fed for one in (*first.begun, *second.begun)] == [48_000, 16_000]


def test_whichever_recogniser_hears_is_called_off() -> None:
    first, second = FakeListener(), FakeListener()
    listener = SecondTranscriber(FakeTranscriber(first), FakeTranscriber(second)).open()

    async def one() -> None:
        listener.begin(print).cancel()

    asyncio.run(one())
    assert [utterance.cancelled for utterance in first.begun] == [True]
    assert second.begun == []
