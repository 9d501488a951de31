import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audio.signals import loudest_frequency_hz, samples, tone
from vivavoce.audio.clip import Clip
from vivavoce.audio.frames import split
from vivavoce.audio.resample import QuickResampler, Resampler, resample

RATES_HZ = [8_000, 16_000, 24_000, 48_000]
PAIRS = [(a, b) for a in RATES_HZ for b in RATES_HZ]


@pytest.mark.parametrize(("from_hz", "to_hz"), [*PAIRS, (22_050, 24_000), (44_100, 16_000)])
def test_a_tone_keeps_its_pitch_level_and_place(from_hz: int, to_hz: int) -> None:
    out = resample(tone(440, from_hz), to_hz)
    assert out.samples == to_hz
    assert loudest_frequency_hz(out) == 440
    expected = samples(tone(440, to_hz))
    inner = slice(to_hz // 20, -to_hz // 20)
    assert np.abs(samples(out)[inner] - expected[inner]).max() < 0.003


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_pieces_give_the_same_as_the_whole(from_hz: int, to_hz: int) -> None:
    clip = tone(700, from_hz, 333)
    resampler = Resampler(from_hz, to_hz)
    pieces = b"".join(resampler.push(piece.pcm) for piece in split(clip, 20)) + resampler.flush()
    whole = samples(resample(clip, to_hz))
    assert np.abs(samples(Clip(pieces, to_hz)) - whole).max() <= 1 / 32768  # one step of rounding


def test_silence_stays_silent_and_runs_repeat() -> None:
    assert resample(Clip(bytes(4800), 24_000), 16_000).pcm == bytes(3200)
    clip = tone(523, 16_000, 200)
    assert resample(clip, 24_000) == resample(clip, 24_000)


def test_full_scale_does_not_wrap() -> None:
    square = Clip((b"\xff\x7f" * 20 + b"\x00\x80" * 20) * 100, 16_000)
    out = samples(resample(square, 24_000)).reshape(-1, 60)[2:-2]
    assert out[:, 5:25].min() > 0.7
    assert out[:, 35:55].max() < -0.7


@given(
    pair=st.sampled_from([*PAIRS, (22_050, 24_000)]),
    cuts=st.lists(st.integers(0, 900), min_size=1, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_lengths_are_exact_and_the_delay_says_what_is_missing(pair: tuple[int, int], cuts: list[int]) -> None:
    from_hz, to_hz = pair
    resampler = Resampler(from_hz, to_hz)
    for _ in range(2):  # after a flush it is as new
        out = 0
        for count in cuts:
            out += len(resampler.push(b"\1\0" * count)) // 2
        total = round(sum(cuts) * to_hz / from_hz)
        missing = sum(cuts) / from_hz - out / to_hz
        assert resampler.delay_ticks == pytest.approx(missing * 48_000, abs=1)
        rest = len(resampler.flush()) // 2
        assert abs(out + rest - total) <= (1 if (2 * sum(cuts) * to_hz) % (2 * from_hz) == from_hz else 0)
        assert resampler.delay_ticks == 0


def test_equal_rates_pass_through() -> None:
    clip = tone(440, 16_000, 50)
    assert resample(clip, 16_000) is clip
    resampler = Resampler(16_000, 16_000)
    assert resampler.push(clip.pcm) == clip.pcm
    assert resampler.delay_ticks == 0
    assert resampler.flush() == b""


@pytest.mark.parametrize("from_hz", RATES_HZ)
def test_the_quick_one_answers_at_once_with_a_known_delay(from_hz: int) -> None:
    resampler = QuickResampler(from_hz, 16_000)
    out = []
    for piece in split(tone(1000, from_hz), 20):
        out.append(resampler.push(piece.pcm))
        assert len(out[-1]) == 320
    assert resampler.delay_ticks <= 72
    time_s = np.arange(16_000) / 16_000 - resampler.delay_ticks / 48_000
    error = np.concatenate(out) - 0.5 * np.sin(2 * np.pi * 1000 * time_s)
    assert np.abs(error[200:]).max() < 0.001


@given(from_hz=st.sampled_from(RATES_HZ), cuts=st.lists(st.integers(0, 500), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_quick_one_does_not_care_how_sound_is_cut(from_hz: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(sum(cuts))
    pcm = rng.integers(-9000, 9000, sum(cuts)).astype("<i2").tobytes()
    whole = QuickResampler(from_hz, 16_000).push(pcm)
    resampler, start, out = QuickResampler(from_hz, 16_000), 0, [np.empty(0, np.float32)]
    for count in cuts:
        out.append(resampler.push(pcm[start : start + 2 * count]))
        start += 2 * count
    np.testing.assert_allclose(np.concatenate(out), whole, atol=1e-6)


@pytest.mark.parametrize("from_hz", [24_000, 48_000])
def test_the_quick_one_does_not_fold_high_sounds_down(from_hz: int) -> None:
    out = QuickResampler(from_hz, 16_000).push(tone(10_000, from_hz).pcm)[200:]
    assert np.abs(out).max() < 0.5 * 10 ** (-55 / 20)


def test_an_empty_clip_stays_empty() -> None:
    assert resample(Clip(b"", 8_000), 24_000) == Clip(b"", 24_000)
