from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audio.signals import read_wav, tone
from vivavoce.audio.clip import Clip
from vivavoce.audio.codec import AudioError
from vivavoce.audio.frames import split
from vivavoce.audio.levels import FLOOR_DBFS, peak_dbfs, rms_dbfs
from vivavoce.audio.wav import interleave, write_wav


def test_levels_of_a_sine() -> None:
    clip = tone(440, 16_000, amplitude=0.1)
    assert peak_dbfs(clip) == pytest.approx(-20, abs=0.05)
    assert rms_dbfs(clip) == pytest.approx(-23, abs=0.05)


@pytest.mark.parametrize("clip", [Clip(b"", 8_000), Clip(bytes(100), 8_000)])
def test_silence_has_a_finite_level(clip: Clip) -> None:
    assert rms_dbfs(clip) == peak_dbfs(clip) == FLOOR_DBFS


def test_the_most_negative_sample_is_full_scale() -> None:
    assert peak_dbfs(Clip(b"\x00\x80", 8_000)) == 0
    assert rms_dbfs(Clip(b"\x00\x80" * 50, 8_000)) == 0


def test_mono_and_stereo_files_come_back(tmp_path: Path) -> None:
    left, right = tone(440, 24_000, 120), tone(880, 24_000, 70)
    write_wav(tmp_path / "mono.wav", left)
    assert read_wav(tmp_path / "mono.wav") == (left,)
    write_wav(tmp_path / "call.wav", left, right)
    padded = Clip(right.pcm + bytes(len(left.pcm) - len(right.pcm)), 24_000)
    assert read_wav(tmp_path / "call.wav") == (left, padded)


def test_mixing_interleaves_and_pads() -> None:
    assert interleave(Clip(b"\1\0", 8_000), Clip(b"\2\0\3\0", 8_000)) == b"\1\0\2\0\0\0\3\0"
    with pytest.raises(AudioError, match="8000, 16000 Hz"):
        interleave(Clip(b"", 8_000), Clip(b"", 16_000))


@given(count=st.integers(0, 5000), rate_hz=st.sampled_from([8_000, 24_000]), max_ms=st.integers(1, 120))
def test_split_loses_nothing(count: int, rate_hz: int, max_ms: int) -> None:
    clip = Clip(bytes(range(250)) * (count // 125) + bytes(2 * (count % 125)), rate_hz)
    pieces = list(split(clip, max_ms))
    assert b"".join(piece.pcm for piece in pieces) == clip.pcm
    assert all(0 < piece.ticks <= max_ms * 48 for piece in pieces)


def test_a_part_is_cut_in_ticks_to_whole_samples() -> None:
    clip = Clip(b"".join(bytes([n, 0]) for n in range(10)), 24_000)  # two ticks a sample
    assert clip.cut(4, 12).pcm == bytes([2, 0, 3, 0, 4, 0, 5, 0])
    assert clip.cut(5, 13).pcm == clip.cut(4, 12).pcm
    assert clip.cut(16, 99).pcm == bytes([8, 0, 9, 0])
    assert clip.cut(-4, 2).pcm == bytes([0, 0])
    assert clip.cut(-4, 99) is clip
    assert clip.cut(1, 20) == clip
