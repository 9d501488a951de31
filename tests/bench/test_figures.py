"""Percentiles, frames and the arithmetic of a turn."""

from __future__ import annotations

import json
import math

import pybase64
import pytest
from bench.caller import Caller, Pattern
from bench.figures import middle, percentile, table
from bench.sound import BYTES_PER_MS, chunks, silence, voice
from bench.wire import CLOSE, PING, TEXT, FrameReader, WireError, frame

from vivavoce.audio.clip import Clip
from vivavoce.audio.levels import rms_dbfs


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50, 99, 100)
    assert percentile([7.0], 99) == 7
    assert math.isnan(percentile([], 50))


def test_the_median_leaves_out_what_could_not_be_measured() -> None:
    assert middle([3.0, math.nan, 1.0, 2.0]) == 2
    assert math.isnan(middle([math.nan]))


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [("1", "long")]) == "| a | b    |\n|---|------|\n| 1 | long |"


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_a_client_frame_is_masked_with_zeros(length: int) -> None:
    made = frame(b"x" * length)
    assert made[0] == 0x81
    assert made[1] & 0x80
    assert made.endswith(b"\0\0\0\0" + b"x" * length)


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_server_frames_are_read_however_they_are_cut(step: int) -> None:
    stream = (
        b"\x81\x05hello"
        + b"\x01\x02ab\x89\x01p\x80\x02cd"  # a ping between the fragments of a message
        + b"\x81\x7e\x01\x00"
        + b"z" * 256
        + b"\x88\x02\x03\xe8"
    )
    reader = FrameReader()
    read = [got for at in range(0, len(stream), step) for got in reader.feed(stream[at : at + step])]
    assert read == [(TEXT, b"hello"), (PING, b"p"), (TEXT, b"abcd"), (TEXT, b"z" * 256), (CLOSE, b"\x03\xe8")]


def test_a_masked_frame_from_a_server_is_refused() -> None:
    with pytest.raises(WireError, match="mask"):
        list(FrameReader().feed(b"\x81\x81\0\0\0\0a"))


def test_the_voice_is_loud_from_its_first_chunk_to_its_last() -> None:
    for chunk in chunks(voice(1000), 20):
        assert rms_dbfs(Clip(chunk, 24_000)) > -40


def test_chunks_are_filled_up_with_silence() -> None:
    first, last = chunks(voice(30), 20)
    assert len(first) == len(last) == 20 * BYTES_PER_MS
    assert last.endswith(silence(10))


def talk(caller: Caller, seconds: float, chunk_s: float = 0.02, begun_s: float = 100.0) -> None:
    """Send what is due, by the clock."""
    for _ in range(round(seconds / chunk_s)):
        caller.next_frame(begun_s + len(caller.sent_s) * chunk_s, may_speak=True)


def tell(caller: Caller, now_s: float, **event: object) -> None:
    caller.hear(json.dumps(event).encode(), now_s)


def audio(length_ms: int) -> str:
    return pybase64.b64encode_as_string(silence(length_ms))


def test_the_window_is_completed_by_the_chunk_that_ends_it() -> None:
    caller = Caller(Pattern((voice(1000),), silence_ms=500))
    talk(caller, 1.5)
    tell(caller, 101.482, type="input_audio_buffer.speech_stopped", audio_end_ms=1500)
    tell(caller, 101.484, type="response.output_audio.delta", delta=audio(100))
    tell(caller, 101.485, type="response.output_audio.delta", delta=audio(60))
    tell(caller, 101.486, type="response.done", response={"status": "completed"})
    (turn,) = caller.turns
    # The 75th chunk ends at 1500 ms; it was sent at 100 + 74 * 0.02.
    assert turn.completed_s == pytest.approx(101.48)
    assert turn.added_ms == pytest.approx(4)
    assert turn.lag_ms == 0
    assert (turn.answer_ms, turn.longest_delta_ms) == (160, 100)
    assert turn.answered


def test_a_model_with_windows_of_its_own_completes_later() -> None:
    caller = Caller(Pattern((voice(1000),), silence_ms=500, end_of_turn="reported"))
    talk(caller, 1.6)
    tell(caller, 101.6, type="input_audio_buffer.speech_stopped", audio_end_ms=1567)
    (turn,) = caller.turns
    assert turn.completed_s == pytest.approx(100 + 78 * 0.02)
    assert turn.lag_ms == 1600 - 1567


def test_the_caller_hears_the_answer_out_and_pauses_before_it_speaks_again() -> None:
    caller = Caller(Pattern((voice(1000),), pause_ms=600))
    talk(caller, 1.5)
    tell(caller, 101.5, type="input_audio_buffer.speech_stopped", audio_end_ms=1500)
    tell(caller, 101.5, type="response.output_audio.delta", delta=audio(2000))
    tell(caller, 101.5, type="response.done", response={"status": "completed"})
    assert not caller.busy
    talk(caller, 2.58)
    assert len(caller.turns) == 1
    talk(caller, 0.06)
    assert [round(turn.begun_s, 2) for turn in caller.turns] == [100.0, pytest.approx(104.1, abs=0.021)]


def test_a_turn_that_is_not_answered_is_given_up_and_counted() -> None:
    caller = Caller(Pattern((voice(1000),), silence_ms=500, patience_ms=1000))
    talk(caller, 2.6)
    (turn,) = caller.turns
    assert (turn.status, turn.answered, caller.busy) == ("unanswered", False, False)


def test_a_cancelled_answer_is_no_answer() -> None:
    caller = Caller(Pattern((voice(1000),)))
    talk(caller, 1.5)
    tell(caller, 101.5, type="input_audio_buffer.speech_stopped", audio_end_ms=1500)
    tell(caller, 101.5, type="response.output_audio.delta", delta=audio(100))
    tell(caller, 101.6, type="response.done", response={"status": "cancelled"})
    assert not caller.turns[0].answered
