"""Microphone and loudspeaker, over a stand-in for sounddevice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from tests.talk.rig import Remembered, command, scripted
from tests.talk.sound_stand_in import Devices
from vivavoce.server.embedded import running_server
from vivavoce.talk.conversation import talk
from vivavoce.talk.options import Options
from vivavoce.talk.outcome import Exit, TalkError

SENT = "One two three four five six seven eight nine ten eleven twelve thirteen."
LONG = f"{SENT} Fourteen fifteen sixteen seventeen eighteen nineteen twenty and so on."
"""Two clauses: the second is not sent before the first was played, so the answer is still open when it is cut off."""
SRC = str(Path(__file__).resolve().parents[2] / "src")


class Held:
    """A call in progress."""

    def __init__(
        self, devices: Devices, captions: Remembered, call: asyncio.Task[Exit], keyboard: int
    ) -> None:
        self.devices = devices
        self.captions = captions
        self.call = call
        self.keyboard = keyboard

    def enter(self) -> None:
        """Press Enter."""
        os.write(self.keyboard, b"\n")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that shows at the devices."""
        async with asyncio.timeout(20):
            while not condition():
                await self.devices.ticked.wait()


@contextlib.asynccontextmanager
async def holding(devices: Devices, answer: str, *, push_to_talk: bool = False) -> AsyncIterator[Held]:
    """Hold a call over these devices; leaving hangs up, as Ctrl-C does."""
    stdin, keyboard = os.pipe()
    captions = Remembered()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "sounddevice", devices)
        async with running_server(scripted(scripted__answer=answer)) as url:
            options = Options(url=url, push_to_talk=push_to_talk)
            call = asyncio.create_task(talk(options, captions, stdin))
            time = asyncio.create_task(devices.run())
            try:
                yield Held(devices, captions, call, keyboard)
            finally:
                call.cancel()
                time.cancel()
                await asyncio.gather(call, time, return_exceptions=True)
                os.close(stdin)
                with contextlib.suppress(OSError):
                    os.close(keyboard)


def says_once(at_ms: int, _played_ms: int) -> float:
    """A second of speech after a fifth of a second."""
    return 0.3 if 200 <= at_ms < 1200 else 0.0


class SaysAndCutsIn:
    """The same, and 600 ms of speech when a second of the answer was heard."""

    def __init__(self) -> None:
        self.cuts_in_at_ms: int | None = None

    def __call__(self, at_ms: int, played_ms: int) -> float:
        if played_ms >= 1000 and self.cuts_in_at_ms is None:
            self.cuts_in_at_ms = at_ms
        again = self.cuts_in_at_ms is not None and at_ms < self.cuts_in_at_ms + 600
        return 0.3 if again else says_once(at_ms, played_ms)


async def test_a_spoken_turn_is_heard_and_answered() -> None:
    async with holding(Devices(says_once), "Yes, indeed.") as held:
        await held.captions.until("response.done")
        await held.until(lambda: held.devices.played_ms >= 700)
        held.call.cancel()
        assert await held.call == Exit.ENDED
    assert held.captions.callers == ["hello there"]
    [(said, latency_ms)] = held.captions.answers
    assert said == "Yes, indeed."
    assert latency_ms is not None
    assert latency_ms >= 500
    assert held.captions.notes[-1].startswith("call ended: ")
    assert "1 turn, answered after" in held.captions.notes[-1]


@pytest.mark.parametrize("only_hz", [None, 44_100, 48_000])
async def test_cutting_in_truncates_at_the_position_that_was_played(only_hz: int | None) -> None:
    async with holding(Devices(SaysAndCutsIn(), only_hz), LONG) as held:
        truncated = await held.captions.until("conversation.item.truncated")
        await held.captions.until("conversation.item.retrieved")
        sound = np.abs(held.devices.sound.astype(int))
        assert held.devices.loudspeaker is not None
        rate_hz = held.devices.loudspeaker.rate_hz
        loud = np.flatnonzero(sound > 50)
        played_ms = (loud[-1] - loud[0]) * 1000 / rate_hz
    assert rate_hz == (only_hz or 24_000)
    assert truncated["audio_end_ms"] == pytest.approx(played_ms, abs=3)
    assert 1000 <= truncated["audio_end_ms"] < 1700
    [lost] = held.captions.lost
    assert SENT.endswith(lost)
    kept = len(SENT) - len(lost)
    # The scripted voice takes 60 ms for a character.
    assert kept * 60 <= truncated["audio_end_ms"] + 60


async def test_after_cutting_in_it_is_silent_until_the_next_answer() -> None:
    async with holding(Devices(SaysAndCutsIn()), LONG) as held:
        await held.captions.until("conversation.item.truncated")
        at = len(held.devices.sound)
        await held.captions.until("response.created", 2)
        assert np.abs(held.devices.sound[at:]).max(initial=0) == 0
        await held.until(lambda: bool(np.abs(held.devices.sound[at:]).max(initial=0) > 50))
    cancelled = held.captions.of_type("response.done")[0]["response"]
    assert cancelled["status"] == "cancelled"
    assert cancelled["status_details"]["reason"] == "turn_detected"


async def test_push_to_talk_sends_only_what_was_said_while_open() -> None:
    def always(_at_ms: int, _played_ms: int) -> float:
        return 0.3

    async with holding(Devices(always), LONG, push_to_talk=True) as held:
        await held.captions.until("session.updated")
        await held.until(lambda: held.devices.now_ms >= 200)
        held.enter()
        await held.until(lambda: "listening ..." in held.captions.notes)
        opened_ms = held.devices.now_ms
        await held.until(lambda: held.devices.now_ms >= opened_ms + 600)
        held.enter()
        await held.captions.until("response.created")
        await held.until(lambda: held.devices.played_ms >= 300)
        # Enter during the answer takes the floor.
        held.enter()
        truncated = await held.captions.until("conversation.item.truncated")
        os.close(held.keyboard)
        assert await held.call == Exit.ENDED
    assert not held.captions.of_type("input_audio_buffer.speech_started")
    assert not held.captions.problems
    usage = held.captions.of_type("conversation.item.input_audio_transcription.completed")[0]["usage"]
    # A token for each 100 ms of what was said while it was open.
    assert 5 <= usage["input_token_details"]["audio_tokens"] <= 9
    assert 250 <= truncated["audio_end_ms"] < 1500
    done = held.captions.of_type("response.done")[0]["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "client_cancelled")


async def test_a_microphone_that_goes_away_ends_the_call() -> None:
    def never(_at_ms: int, _played_ms: int) -> float:
        return 0.0

    async with holding(Devices(never), "Yes.") as held:
        await held.until(lambda: held.devices.now_ms >= 100)
        held.devices.unplug()
        with pytest.raises(TalkError, match="the microphone went away"):
            await held.call


@pytest.mark.parametrize(("absent", "name"), [("input", "microphone"), ("output", "loudspeaker")])
async def test_no_device_is_one_line_that_names_the_other_ways(
    absent: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = Devices(says_once)
    devices.absent.add(absent)
    monkeypatch.setitem(sys.modules, "sounddevice", devices)
    with pytest.raises(TalkError) as caught:
        await talk(Options(), Remembered(), 0)
    assert caught.value.code == Exit.NOT_POSSIBLE
    assert str(caught.value).startswith(f"no {name} was found. Other ways: ")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ImportError('No module named sounddevice')", "need the extra 'mic'"),
        ("raise OSError('PortAudio library not found')", "the PortAudio library is missing"),
    ],
)
async def test_without_the_extra_it_says_so_and_ends_with_2(source: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(source)
    done = await command(PYTHONPATH=f"{tmp_path}{os.pathsep}{SRC}")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert reason in done.err
    for way in ("--text", "--in FILE --out FILE", "browser"):
        assert way in done.err
