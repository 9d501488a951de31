"""A WAV in, a WAV out: both are measured."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.talk.rig import (
    ANSWER,
    Samples,
    command,
    frequency_hz,
    loud_span_s,
    scripted,
    silence,
    tone,
)
from vivavoce.server.embedded import running_server
from vivavoce.talk.command import add_arguments, run

pytestmark = pytest.mark.usefixtures("own_folder")

LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen."
MS_PER_CHAR = 60
RATE_HZ = 24_000


def read_call(path: str = "out.wav") -> tuple[Samples, Samples]:
    """Caller and agent."""
    samples, rate_hz = soundfile.read(path)
    assert rate_hz == RATE_HZ
    assert samples.shape[1] == 2
    return samples[:, 0], samples[:, 1]


@pytest.mark.parametrize(
    ("rate_hz", "channels", "subtype"),
    [(44_100, 2, "PCM_24"), (8000, 1, "PCM_16"), (48_000, 1, "FLOAT"), (24_000, 1, "PCM_16")],
)
async def test_the_recording_holds_both_sides_where_they_were(
    rate_hz: int, channels: int, subtype: str
) -> None:
    caller = np.concatenate((silence(rate_hz, 0.5), tone(rate_hz, 1.0), silence(rate_hz, 0.2)))
    soundfile.write("in.wav", np.column_stack([caller] * channels), rate_hz, subtype=subtype)
    async with running_server(scripted()) as url:
        done = await command("--in", "in.wav", "--out", "out.wav", "--fast", "--url", url)
    assert done.code == 0, done.err
    assert done.lines == ["you: hello there", f"agent: {ANSWER}"]
    left, right = read_call()
    starts_s, ends_s = loud_span_s(left, RATE_HZ)
    assert (round(starts_s, 2), round(ends_s, 2)) == (0.5, 1.5)
    assert frequency_hz(left[12_000:36_000], RATE_HZ) == pytest.approx(300, abs=2)
    assert np.max(np.abs(left)) == pytest.approx(0.3, abs=0.02)
    answers_s, done_s = loud_span_s(right, RATE_HZ)
    # 500 ms of silence end the turn; the answer takes no time, the sound is sent in pieces of 100 ms.
    assert 2.0 <= answers_s <= 2.25
    assert done_s - answers_s == pytest.approx(len(ANSWER) * MS_PER_CHAR / 1000, abs=0.02)
    assert frequency_hz(right, RATE_HZ) == pytest.approx(440, abs=2)
    assert len(left) / RATE_HZ >= done_s


async def test_speaking_into_the_answer_cuts_it_off() -> None:
    caller = np.concatenate((tone(16_000, 1.0), silence(16_000, 2.0), tone(16_000, 1.0)))
    soundfile.write("in.wav", caller, 16_000)
    async with running_server(scripted(scripted__answer=LONG)) as url:
        done = await command("--in", "in.wav", "--out", "out.wav", "--fast", "--url", url)
    assert done.code == 0, done.err
    assert done.lines.count(f"agent: {LONG}") == 2
    lost = next(line for line in done.lines if line.startswith("(not heard: "))
    assert LONG.endswith(lost.removeprefix("(not heard: ").removesuffix(")"))
    assert "1 answer cut off" in done.err
    _, right = read_call()
    start_s, _ = loud_span_s(right, RATE_HZ)
    assert 1.5 <= start_s <= 1.75
    _, cut_s = loud_span_s(right[: int(4.4 * RATE_HZ)], RATE_HZ)
    # The second tone begins at 3.0 s; it is noticed after a few windows and with the next piece that was waited for.
    assert 3.0 <= cut_s <= 3.4
    heard_ms = (cut_s - start_s) * 1000
    kept = len(LONG) - len(lost.removeprefix("(not heard: ").removesuffix(")"))
    # What the server remembers is what was heard, to the word.
    assert kept * MS_PER_CHAR <= heard_ms + MS_PER_CHAR < (kept + len(" fourteen")) * MS_PER_CHAR + 60


async def test_in_real_time_the_sound_takes_its_time() -> None:
    soundfile.write("in.wav", np.concatenate((tone(16_000, 0.6), silence(16_000, 0.1))), 16_000)
    async with running_server(scripted(scripted__answer="Yes.")) as url:
        began = time.monotonic()
        done = await command("--in", "in.wav", "--out", "out.wav", "--url", url)
        took_s = time.monotonic() - began
    assert done.code == 0, done.err
    assert done.lines[1].startswith("agent: Yes. [")
    left, right = read_call()
    assert took_s >= len(left) / RATE_HZ
    latency_ms = int(done.lines[1].rpartition("[")[2].removesuffix(" ms]"))
    assert 500 <= latency_ms < 1500
    spoken_s, _ = loud_span_s(left, RATE_HZ)
    assert spoken_s == pytest.approx(0, abs=0.01)
    start_s, _ = loud_span_s(right, RATE_HZ)
    assert start_s >= 1.1


async def test_no_speech_in_the_file_is_one_line() -> None:
    soundfile.write("in.wav", silence(16_000, 0.5), 16_000)
    async with running_server(scripted()) as url:
        done = await command("--in", "in.wav", "--out", "out.wav", "--fast", "--url", url)
    assert done.code == 1
    assert done.out == ""
    assert done.err.splitlines()[-1] == "vivavoce talk: no speech was heard in in.wav"
    left, right = read_call()
    assert not left.any()
    assert not right.any()


UNUSABLE = {
    ("--in", "missing.wav"): "there is no file missing.wav",
    ("--in", "text.wav"): "cannot read text.wav",
    ("--in", "empty.wav"): "empty.wav holds no sound",
    ("--in", "in.wav", "--out", "nowhere/out.wav"): "there is no folder nowhere to write out.wav to",
    ("--in", "in.wav", "--out", "in.wav"): "--out would overwrite the file of --in",
    ("--in", "in.wav", "--out", "."): ". is a folder",
}


@pytest.mark.parametrize(("arguments", "complaint"), UNUSABLE.items())
def test_files_that_cannot_be_used_are_one_line(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.wav").write_text("not a sound")
    soundfile.write("empty.wav", np.zeros(0), 16_000)
    soundfile.write("in.wav", tone(16_000, 0.2), 16_000)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(arguments)) == 2
    out, err = capsys.readouterr()
    assert complaint in err
    assert (out, err.count("\n")) == ("", 1)
