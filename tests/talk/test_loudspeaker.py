"""What was heard of each item, to the sample."""

from __future__ import annotations

import numpy as np
import pytest

from vivavoce.talk.loudspeaker import Heard, Loudspeaker


def pcm(samples: int, value: int = 1) -> bytes:
    return np.full(samples, value, "<i2").tobytes()


def test_silence_where_nothing_is_there() -> None:
    speaker = Loudspeaker()
    assert speaker.pull(480) == bytes(960)
    assert not speaker.playing
    assert speaker.stop() == []


def test_items_follow_each_other_without_a_gap() -> None:
    speaker = Loudspeaker()
    speaker.take("a", 0, pcm(100, 1))
    speaker.complete("a")
    speaker.take("b", 0, pcm(100, 2))
    assert speaker.pull(150) == pcm(100, 1) + pcm(50, 2)
    assert speaker.stop() == [Heard("b", 0, 50 * 1000 // 24_000)]


def test_an_item_waits_until_the_one_before_it_is_complete() -> None:
    speaker = Loudspeaker()
    speaker.take("a", 0, pcm(100, 1))
    speaker.take("b", 0, pcm(100, 2))
    assert speaker.pull(150) == pcm(100, 1) + pcm(50, 0)
    speaker.complete("a")
    assert speaker.pull(100) == pcm(100, 2)


def test_a_pause_in_an_item_is_not_its_end() -> None:
    speaker = Loudspeaker()
    speaker.take("a", 0, pcm(2400))
    speaker.pull(4800)
    assert not speaker.playing
    assert speaker.stop() == [Heard("a", 0, 100)]


def test_what_was_played_to_its_end_was_not_cut() -> None:
    speaker = Loudspeaker()
    speaker.take("a", 0, pcm(480))
    speaker.complete("a")
    speaker.pull(480)
    assert speaker.stop() == []


def test_the_end_may_be_told_after_everything_was_played() -> None:
    speaker = Loudspeaker()
    speaker.take("a", 0, pcm(480))
    speaker.pull(960)
    speaker.complete("a")
    assert speaker.stop() == []


def test_stopping_tells_of_every_item_the_unheard_ones_too() -> None:
    speaker = Loudspeaker()
    speaker.take("a", 0, pcm(24_000))
    speaker.complete("a")
    speaker.take("b", 1, pcm(480))
    speaker.pull(12_000)
    assert speaker.stop() == [Heard("a", 0, 500), Heard("b", 1, 0)]
    assert speaker.pull(480) == bytes(960)


@pytest.mark.parametrize("rate_hz", [8000, 44_100, 48_000])
def test_positions_are_the_same_at_the_devices_own_rate(rate_hz: int) -> None:
    speaker = Loudspeaker(rate_hz)
    wave = (9000 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 24_000)).astype("<i2")
    for start in range(0, 48_000, 2400):
        speaker.take("a", 0, wave[start : start + 2400].tobytes())
    heard = np.frombuffer(speaker.pull(rate_hz), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert abs(int(np.argmax(spectrum)) - 440) <= 1
    assert speaker.stop() == [Heard("a", 0, 1000)]
