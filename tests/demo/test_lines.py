"""What the caller of a seed says, and the command before it begins."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from vivavoce.audio.clip import TICKS_PER_MS, Clip
from vivavoce.call.ports import Speech, Spoken
from vivavoce.cli import main
from vivavoce.demo import lines
from vivavoce.demo.sound import RATE_HZ
from vivavoce.demo.story import shipped_story, story_of

PIECE = Clip(b"\1\0" * (RATE_HZ // 100), RATE_HZ)


class Voice:
    """Says everything in two pieces of 10 ms each."""

    name = "two pieces"

    def __init__(self) -> None:
        self.said: list[Speech] = []
        self.state = "made"

    async def start(self) -> None:
        self.state = "started"

    async def speak(self, speech: Speech) -> AsyncGenerator[Spoken, None]:
        assert self.state == "started"
        self.said.append(speech)
        yield Spoken(PIECE, ((1, 10 * TICKS_PER_MS),))
        yield Spoken(PIECE, ((len(speech.text), 20 * TICKS_PER_MS),))

    async def close(self) -> None:
        self.state = "closed"


async def test_every_line_of_a_seed_is_spoken_by_its_callers_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    voice, story = Voice(), story_of(7)
    monkeypatch.setattr(lines, "make_caller_voice", lambda: voice)
    spoken = await lines.speak_lines(story)
    assert list(spoken) == lines.texts_of(story.lines)
    assert {speech.voice for speech in voice.said} == {story.cast.caller_voice}
    assert voice.state == "closed"
    for text, line in spoken.items():
        assert line.text == text
        assert line.clip == Clip(PIECE.pcm * 2, RATE_HZ)
        assert line.marks == [(1, 10), (len(text), 20)]


async def test_the_shipped_call_needs_no_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "make_caller_voice", lambda: pytest.fail("a voice was asked for"))
    spoken = await lines.speak_lines(shipped_story())
    assert "Hi, where is my order A1001?" in spoken


def test_a_caller_in_a_hurry_needs_a_server_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--fast", "--url", "http://127.0.0.1:9"]) == 2
    assert capsys.readouterr().err == (
        "vivavoce: --fast needs a server of its own, which does not hold answers back; leave out --url\n"
    )
