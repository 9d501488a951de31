import itertools
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.audio.signals import tone
from tests.engines.speech import as_floats, loud_range_ms, spoken
from vivavoce.audio.clip import Clip, Frame
from vivavoce.audio.frames import split
from vivavoce.audio.resample import resample
from vivavoce.call.ports import VoiceActivity
from vivavoce.engines.model_files import VOICE_ACTIVITY_MODEL, ModelFileMissing, find_model
from vivavoce.engines.vad import Background, EnergyVoiceActivity, SileroModel
from vivavoce.protocol.errors import EngineError
from vivavoce.protocol.session_objects import ServerVad
from vivavoce.session.turns import Policy, Turn, TurnDetector

LEAD_MS = 1000
SENTENCES = (
    "Where is my order A1001?",
    "I would like to move the meeting to Thursday morning, please.",
    "No, wait.",
)


@cache
def silero() -> SileroModel:
    """The model, or a skip where set-up has not fetched it."""
    try:
        find_model(VOICE_ACTIVITY_MODEL)
    except ModelFileMissing as missing:
        pytest.skip(str(missing))
    return SileroModel()


def judge(activity: VoiceActivity, clip: Clip, frame_ms: int = 20) -> list[tuple[int, float]]:
    """All probabilities of a clip that starts at 0."""
    judged, start = [], 0
    for piece in split(clip, frame_ms):
        frame = Frame(start, piece)
        judged += activity.probabilities(frame)
        start = frame.end
    return judged


def pink_noise(samples: int, seed: int) -> NDArray[np.float64]:
    """Noise of equal energy in every octave, RMS 1."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(size=samples))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(noise / noise.std())


def pcm(samples: NDArray[np.float64], rate_hz: int) -> Clip:
    return Clip((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), rate_hz)


def utterance(
    text: str, voice: str, snr_db: float | None, rate_hz: int = 24_000
) -> tuple[Clip, float, float]:
    """A sentence between two seconds of silence or noise, and where its sound starts and ends."""
    speech = as_floats(spoken(text, voice, rate_hz=rate_hz)[0])
    lead = np.zeros(rate_hz * LEAD_MS // 1000)
    samples = np.concatenate((lead, speech, lead))
    start_ms, end_ms = loud_range_ms(pcm(samples, rate_hz))
    if snr_db is not None:
        active = samples[int(start_ms * rate_hz / 1000) : int(end_ms * rate_hz / 1000)]
        samples = samples + pink_noise(len(samples), 3) * active.std() * 10 ** (-snr_db / 20)
    return pcm(samples, rate_hz), start_ms, end_ms


def first(judged: Iterable[tuple[int, float]], after_ms: float, wanted: Callable[[float], bool]) -> float:
    """End, in ms, of the first window after a moment whose probability is as wanted."""
    return next(at / 48 for at, p in judged if at / 48 > after_ms and wanted(p))


@pytest.mark.parametrize("snr_db", [None, 20.0, 10.0])
def test_silero_hears_speech_start_and_stop(snr_db: float | None) -> None:
    starts, stops = [], []
    for text, voice in itertools.product(SENTENCES, ("slt", "rms", "awb")):
        clip, start_ms, end_ms = utterance(text, voice, snr_db)
        judged = judge(silero().open(), clip)
        # The first windows of noise may be anything: the model has heard nothing yet.
        assert max(p for at, p in judged if 300 < at / 48 <= start_ms) < 0.5
        starts.append(first(judged, 300, lambda p: p >= 0.5) - start_ms)
        stops.append(first(judged, end_ms - 64, lambda p: p < 0.35) - end_ms)
        assert max(p for at, p in judged if at / 48 > end_ms + 260) < 0.5
    assert max(starts) <= 100, starts
    assert np.median(stops) <= 200, stops
    assert max(stops) <= 260, stops


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_silero_judges_every_rate_alike(rate_hz: int) -> None:
    clip, _, _ = utterance(SENTENCES[0], "rms", None)
    expected = judge(silero().open(), resample(clip, 16_000))
    judged = judge(silero().open(), resample(clip, rate_hz))
    agree = [(p >= 0.5) == (q >= 0.5) for (_, p), (_, q) in zip(expected, judged, strict=False)]
    assert sum(agree) >= 0.95 * len(agree)
    assert all(0 <= at - other <= 72 for (at, _), (other, _) in zip(expected, judged, strict=False))


@pytest.mark.parametrize("kind", ["silence", "pink noise", "white noise", "hum"])
def test_silero_is_not_triggered_by_anything_else(kind: str) -> None:
    count = 16_000 * 5
    sounds = {
        "silence": np.zeros(count),
        "pink noise": pink_noise(count, 5) * 0.05,
        "white noise": np.random.default_rng(6).normal(size=count) * 0.05,
        "hum": as_floats(tone(50, 16_000, 5000, 0.2)),
    }
    judged = judge(silero().open(), pcm(sounds[kind], 16_000))
    assert len(judged) == count // 512
    assert max(p for _, p in judged) < 0.5


@given(cuts=st.lists(st.integers(1, 2400), min_size=5, max_size=20), rate_hz=st.sampled_from([8_000, 24_000]))
@settings(max_examples=20, deadline=None)
def test_silero_does_not_care_how_sound_is_cut(cuts: list[int], rate_hz: int) -> None:
    samples = as_floats(tone(300, rate_hz, 3000))[: sum(cuts)]
    clip = pcm(samples, rate_hz)
    activity, start, judged = silero().open(), 0, []
    for count in cuts:
        piece = Clip(clip.pcm[2 * start : 2 * (start + count)], rate_hz)
        judged += activity.probabilities(Frame(start * (48_000 // rate_hz), piece))
        start += piece.samples
    whole = silero().open().probabilities(Frame(0, clip))
    assert [at for at, _ in judged] == [at for at, _ in whole]
    assert [p for _, p in judged] == pytest.approx([p for _, p in whole], abs=1e-3)


def test_silero_windows_end_with_the_frame_that_fills_them() -> None:
    activity = silero().open()
    answers = [activity.probabilities(Frame(960 * n, Clip(bytes(960), 24_000))) for n in range(16)]
    delay = 36
    assert [len(answer) for answer in answers] == [0, 1, 0, 1, 1, 0, 1, 1] * 2
    assert [at for answer in answers for at, _ in answer] == [1536 * n - delay for n in range(1, 11)]


def test_silero_starts_anew_after_a_gap_and_at_another_rate() -> None:
    activity = silero().open()
    assert activity.probabilities(Frame(0, Clip(bytes(800), 16_000))) == []
    (window,) = activity.probabilities(Frame(48_000, Clip(bytes(1024), 16_000)))
    assert window[0] == 48_000 + 1536
    (window,) = activity.probabilities(Frame(48_000 + 1536, Clip(bytes(512), 8_000)))
    assert window[0] == 48_000 + 2 * 1536 - 72


def test_calls_do_not_hear_each_other() -> None:
    clip, _, _ = utterance(SENTENCES[0], "slt", None, 16_000)
    alone = judge(silero().open(), clip)
    first_call, second_call, start, judged = silero().open(), silero().open(), 0, []
    for piece in split(clip, 20):
        judged += first_call.probabilities(Frame(start, piece))
        second_call.probabilities(Frame(start, tone(200, 16_000, 20)))
        start += piece.ticks
    assert judged == alone


def test_a_missing_or_broken_model_says_so(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(EngineError, match=r"broken\.onnx cannot be loaded"):
        SileroModel(tmp_path / "broken.onnx")


# --- energy -------------------------------------------------------------------------------------------------------------


def test_energy_hears_a_tone_between_silences() -> None:
    clip = Clip(bytes(9_600) + tone(440, 24_000, 200, 0.1).pcm + bytes(9_600), 24_000)
    judged = judge(EnergyVoiceActivity(), clip)
    assert [at for at, _ in judged] == [960 * n for n in range(1, 31)]
    assert [p for _, p in judged] == [0.0] * 10 + [1.0] * 10 + [0.0] * 10


@pytest.mark.parametrize(("threshold_dbfs", "heard"), [(-22.0, 1.0), (-24.0, 1.0), (-20.0, 0.0)])
def test_energy_compares_rms_with_the_threshold(threshold_dbfs: float, heard: float) -> None:
    # Amplitude 0.13 is -17.7 dBFS peak, -20.7 dBFS RMS.
    judged = judge(EnergyVoiceActivity(threshold_dbfs), tone(500, 16_000, 100, 0.13))
    assert {p for _, p in judged} == {heard}


@given(
    cuts=st.lists(st.integers(0, 1500), max_size=12),
    rate_hz=st.sampled_from([8_000, 16_000, 24_000, 48_000]),
)
def test_energy_does_not_care_how_sound_is_cut(cuts: list[int], rate_hz: int) -> None:
    rng = np.random.default_rng(len(cuts))
    samples = rng.normal(size=sum(cuts)) * np.repeat(rng.choice([0.001, 0.1], size=len(cuts)), cuts)
    clip, activity, judged = pcm(samples, rate_hz), EnergyVoiceActivity(), []
    for start, end in itertools.pairwise([0, *itertools.accumulate(cuts)]):
        piece = Clip(clip.pcm[2 * start : 2 * end], rate_hz)
        judged += activity.probabilities(Frame(start * (48_000 // rate_hz), piece))
    assert judged == EnergyVoiceActivity().probabilities(Frame(0, clip))
    assert [at for at, _ in judged] == [960 * n for n in range(1, sum(cuts) // (rate_hz // 50) + 1)]


def test_energy_drops_an_unfinished_window_at_a_gap() -> None:
    activity = EnergyVoiceActivity()
    activity.probabilities(Frame(0, tone(500, 8_000, 10)))
    assert activity.probabilities(Frame(9_600, Clip(bytes(320), 8_000))) == [(9_600 + 960, 0.0)]


@pytest.mark.parametrize("threshold_dbfs", [1.0, -120.0, float("nan")])
def test_a_threshold_nobody_can_mean_is_refused(threshold_dbfs: float) -> None:
    with pytest.raises(ValueError, match="threshold_dbfs must be above -120"):
        EnergyVoiceActivity(threshold_dbfs)


# --- background ---------------------------------------------------------------------------------------------------------


def test_steady_background_is_judged_once_in_four_windows() -> None:
    background = Background()
    covered = []
    for _ in range(160):
        covered.append(background.covers(1e-4))
        if not covered[-1]:
            background.judged(0.01)
    # Until the model has been sure for a while, everything is judged.
    assert True not in covered[:8]
    assert sum(covered[-16:]) == 12
    assert "11110" not in "".join("1" if passed else "0" for passed in covered)


def test_whatever_is_louder_than_the_background_is_judged_at_once() -> None:
    background = Background()
    for _ in range(160):
        if not background.covers(1e-4):
            background.judged(0.01)
    assert not background.covers(3e-4)
    background.judged(0.3)
    # The model is not sure any more: everything is judged until it is again.
    assert not any(background.covers(1e-4) for _ in range(20))


@pytest.mark.parametrize("snr_db", [None, 30.0, 10.0])
def test_passing_over_background_changes_no_turn(
    snr_db: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, _, _ = utterance(SENTENCES[1], "rms", snr_db)
    quiet = pcm(as_floats(Clip(clip.pcm[: 24_000 * 2 * LEAD_MS // 1000], 24_000)), 24_000)
    whole = Clip(quiet.pcm * 3 + clip.pcm + quiet.pcm * 3 + clip.pcm, 24_000)
    saved = turns_of(whole)
    monkeypatch.setattr(Background, "covers", lambda self, power: False)
    judged = turns_of(whole)
    assert [turn for turn, _ in saved] == [turn for turn, _ in judged] == [Turn.STARTED, Turn.STOPPED] * 2
    # Earlier by up to eight windows: the model hears speech sooner when it was not run through all the silence before.
    moved = [(at - other) / 32 for (_, at), (_, other) in zip(saved, judged, strict=True)]
    assert all(-8 <= windows <= 2 for windows in moved), moved


def turns_of(clip: Clip) -> list[tuple[Turn | None, float]]:
    """What a session makes of a clip, and when (ms)."""
    detector = TurnDetector(Policy.of(ServerVad(), 0))
    verdicts = [(detector.judge(at, p), at / 48) for at, p in judge(silero().open(), clip)]
    return [(turn, at) for turn, at in verdicts if turn in (Turn.STARTED, Turn.STOPPED)]
