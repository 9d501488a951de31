"""The recogniser itself, in this process, on real synthetic speech and on sounds that are none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.engines.speech import spoken
from vivavoce.audio.clip import Clip
from vivavoce.engines.cascade.stt.recogniser import Recogniser
from vivavoce.engines.cascade.stt.session_model import Topic, build
from vivavoce.engines.cascade.stt.voicing import PIECE_SAMPLES, Voice, is_voiced

from .sessions import LIBRARY_INSTRUCTIONS, LIBRARY_TOOLS, noises, padded

PIECE_BYTES = 1280


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    made = Recogniser()
    made.load("library", build(Topic(LIBRARY_INSTRUCTIONS, LIBRARY_TOOLS, []), made.words))
    return made


def hear(recogniser: Recogniser, clip: Clip, model: str | None = "library") -> tuple[str, str]:
    """(what was read 300 ms before the end, what was read at the end)"""
    pcm = clip.pcm
    recogniser.begin(model, recogniser.measured_mean(pcm[: 16_000 * 2]))
    early = ""
    for place in range(0, len(pcm), PIECE_BYTES):
        if place <= len(pcm) - 9600 < place + PIECE_BYTES:
            early = recogniser.reading().text
        recogniser.hear(pcm[place : place + PIECE_BYTES])
    return early, recogniser.end().text


@pytest.mark.parametrize(
    ("text", "voice", "words"),
    [
        ("renew loan K 5 5 0 3 please", "ash", "renew loan k five five zero three please"),
        ("my loan number is R 1 9 2 8", "alloy", "my loan number is r one nine two eight"),
        ("where is the old mill branch", "ash", "where is the old mill branch"),
        ("yes", "alloy", "yes"),
        ("stop", "ash", "stop"),
        ("no", "ash", "no"),
    ],
)
def test_what_a_session_is_about_is_understood(
    recogniser: Recogniser, text: str, voice: str, words: str
) -> None:
    early, late = hear(recogniser, padded(spoken(text, voice, rate_hz=16_000)[0]))
    assert late == words
    assert early == late, "silence after the last word must not change what was said"


def test_a_tool_that_asks_where_is_told_the_town(recogniser: Recogniser) -> None:
    """Without any town in it, the model of "the weather in ..." would hear anything rather than one."""
    city = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"name": "get_weather", "description": "Get the weather for a given city.", "parameters": city}
    recogniser.load("weather", build(Topic("You are helpful.", [tool], []), recogniser.words))
    speech = padded(spoken("What is the weather in London?", "rms", rate_hz=16_000)[0])
    recogniser.begin("weather", recogniser.measured_mean(speech.pcm))
    recogniser.hear(speech.pcm)
    assert recogniser.end().text == "what is the weather in london"
    recogniser.forget("weather")


def test_something_else_is_left_to_the_general_model(recogniser: Recogniser) -> None:
    speech = padded(
        spoken("the weather was lovely when we walked along the river", "alloy", rate_hz=16_000)[0]
    )
    _, biased = hear(recogniser, speech)
    _, general = hear(recogniser, speech, model=None)
    assert biased == general
    assert "weather was lovely" in general


@pytest.mark.parametrize("loudness", [300.0, 2000.0])
def test_without_a_voice_there_are_no_words(recogniser: Recogniser, loudness: float) -> None:
    for name, sound in noises(1.0, loudness).items():
        assert hear(recogniser, padded(sound)) == ("", ""), name
    assert hear(recogniser, Clip(b"", 16_000)) == ("", "")
    assert hear(recogniser, Clip(bytes(3200), 16_000)) == ("", "")


def test_the_mean_of_a_speaker_is_measured_and_kept(recogniser: Recogniser) -> None:
    loud = spoken("this is how i speak all day long", "ash", rate_hz=16_000)[0]
    quiet = Clip((np.frombuffer(loud.pcm, np.int16) // 8).astype(np.int16).tobytes(), 16_000)
    levels = [float(recogniser.measured_mean(clip.pcm).split(",")[0]) for clip in (loud, quiet)]
    assert 40 < levels[1] + 5 < levels[0] < 70
    hear(recogniser, padded(loud))
    assert abs(float(recogniser.mean_after().split(",")[0]) - levels[0]) < 5
    # Nothing to measure: the typical mean stands.
    assert recogniser.measured_mean(bytes(32_000)).startswith("52.")


def test_a_model_can_be_forgotten_and_loaded_again(recogniser: Recogniser) -> None:
    model = build(Topic("Answer as Marvik Foods.", [], []), recogniser.words)
    speech = padded(spoken("tell me about marvik foods", "ash", rate_hz=16_000)[0])
    for _ in range(2):
        recogniser.load("foods", model)
        assert "marvik foods" in hear(recogniser, speech, "foods")[1]
        recogniser.forget("foods")
    assert "marvik" not in hear(recogniser, speech)[1]


def test_voice_is_told_from_noise() -> None:
    def voiced(clip: Clip) -> int:
        samples = np.frombuffer(clip.pcm, np.int16)
        return sum(
            is_voiced(samples[k : k + PIECE_SAMPLES])
            for k in range(0, len(samples) - PIECE_SAMPLES, PIECE_SAMPLES)
        )

    for name in ("white", "pink", "clicks", "burst"):
        assert voiced(noises(2.0, 2000)[name]) == 0, name
    say: Callable[[str], Clip] = lambda text: spoken(text, "ash", rate_hz=16_000)[0]  # noqa: E731
    for word in ("yes", "six", "fish", "no"):
        assert voiced(say(word)) >= 2, word
    voice = Voice()
    pcm = say("yes").pcm
    for place in range(0, len(pcm), 100):
        voice.hear(pcm[place : place + 100])
    assert voice.heard
