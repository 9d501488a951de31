import itertools

import pytest

from tests.engines.speech import flite, loud_range_ms, pitch_hz, spoken
from vivavoce.audio.levels import peak_dbfs, rms_dbfs
from vivavoce.engines.cascade.tts.delivery import Delivery, PartSink
from vivavoce.engines.cascade.tts.voices import VOICES, choose

TEXT = "Your order A1001 is shipped, arriving Tuesday."


@pytest.mark.parametrize("voice", sorted(VOICES))
def test_every_voice_speaks_at_a_common_loudness(voice: str) -> None:
    clip, marks = spoken(TEXT, voice)
    assert 2.5 < clip.samples / 24_000 < 5
    assert -21 < rms_dbfs(clip) < -15
    assert peak_dbfs(clip) < -0.5
    start_ms, end_ms = loud_range_ms(clip)
    assert start_ms <= 50
    assert 60 <= clip.ticks / 48 - end_ms <= 320
    assert marks[-1][0] == len(TEXT)


def test_the_voices_differ() -> None:
    pitches = {
        name: pitch_hz(spoken(TEXT, name)[0])
        for name in ("alloy", "ash", "ballad", "echo", "nova", "onyx", "sage")
    }
    assert pitches["nova"] > 1.1 * pitches["alloy"] > 1.2 * pitches["sage"]
    assert pitches["sage"] > 1.1 * pitches["ballad"] > pitches["ash"] > 1.05 * pitches["onyx"]
    clips = {spoken(TEXT, name)[0].pcm for name in ("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin",
                                                    "nova", "onyx", "sage", "shimmer", "verse")}  # fmt: skip
    assert len(clips) == 13


def test_an_unknown_voice_is_the_default_one() -> None:
    assert spoken("Hello.", "nobody") == spoken("Hello.", "alloy")
    assert choose(" Nova ") is VOICES["nova"]


def test_the_same_text_sounds_the_same() -> None:
    anew = spoken.__wrapped__
    first = anew(TEXT)
    anew("Something else in between, please.", "ash")
    assert anew(TEXT) == first


@pytest.mark.parametrize("voice", ["slt", "rms", "awb", "kal"])
def test_marks_are_where_the_words_end(voice: str) -> None:
    """Said alone with the others cut off, each word must still be in the sound up to its mark."""
    clip, marks = spoken("One, two, three, four.", voice)
    assert [char_end for char_end, _ in marks] == [4, 9, 16, 22]
    positions = [ticks for _, ticks in marks]
    assert positions == sorted(positions)
    for before, after in itertools.pairwise([0, *positions]):
        # A word between two marks is loud, a pause of a comma follows its mark.
        assert rms_dbfs(clip.cut(before, after)) > -30
        assert 200 < (after - before) / 48 < 1200
    for position in positions:
        assert rms_dbfs(clip.cut(position - 48 * 60, position)) > rms_dbfs(
            clip.cut(position + 48 * 20, position + 48 * 60)
        )


@pytest.mark.parametrize(("speed", "factor"), [(0.25, 4.0), (0.5, 2.0), (1.5, 1 / 1.5)])
def test_speed_stretches_time_but_not_pitch(speed: float, factor: float) -> None:
    normal, slow = spoken(TEXT)[0], spoken(TEXT, speed=speed)[0]
    assert slow.samples / normal.samples == pytest.approx(factor, rel=0.1)
    assert pitch_hz(slow) == pytest.approx(pitch_hz(normal), rel=0.08)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_every_rate_gives_the_same_speech(rate_hz: int) -> None:
    clip, marks = spoken(TEXT, rate_hz=rate_hz)
    assert clip.ticks == pytest.approx(spoken(TEXT)[0].ticks, abs=12)
    assert marks == spoken(TEXT)[1]


def test_what_the_listener_raises_ends_the_synthesis_at_once() -> None:
    class GoneAwayError(Exception):
        pass

    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks == 3:
            raise GoneAwayError

    sink = PartSink([], 0, Delivery(24_000, lambda pcm, marks: None), check)
    with pytest.raises(GoneAwayError):
        flite().speak(choose("alloy").flite, ["one"] * 12, 1.0, sink)
    assert checks == 3
    assert spoken("Still there?")[0].samples > 4_800


def test_a_letter_is_named() -> None:
    """ "A" as a letter is longer than "a" as an article."""
    article, letter = (spoken(text)[1][0][1] for text in ("a dog", "A1 dog"))
    assert letter > 1.5 * article
