"""Which stages the settings make."""

from __future__ import annotations

import pytest

from vivavoce.call.settings import Settings, SettingsError, load_settings
from vivavoce.engines.cascade.choice import choose_stages

URL = "http://127.0.0.1:9/v1"


def settings(**given: str) -> Settings:
    flags = {name.replace("__", "."): value for name, value in given.items()}
    return load_settings({"vad.kind": "energy", "server.port": 8000} | flags, environ={})


def test_each_stage_is_built_in_or_behind_its_endpoint() -> None:
    stages = choose_stages(settings())
    assert (stages.stt.name, stages.llm.name, stages.language) == ("pocketsphinx", "built-in brain", "en")
    given = {
        f"{stage}__{name}": value
        for stage in ("stt", "llm", "tts")
        for name, value in (("url", URL), ("model", stage))
    }
    stages = choose_stages(settings(**given))
    assert [stage.name for stage in (stages.stt, stages.llm, stages.tts)] == [
        f"{stage} at 127.0.0.1:9" for stage in ("stt", "llm", "tts")
    ]
    assert (stages.stt.languages, stages.language) == ((), "")
    socket = choose_stages(
        settings(stt__url="ws://127.0.0.1:9/v1/realtime", stt__model="m", stt__language="de")
    )
    assert (type(socket.stt).__name__, socket.language) == ("SocketTranscriber", "de")


@pytest.mark.parametrize("second", [{"url": "builtin"}, {"url": "http://127.0.0.1:10/v1", "model": "n"}])
def test_each_stage_may_have_a_second_choice(second: dict[str, str]) -> None:
    for stage in ("stt", "llm", "tts"):
        given = {f"{stage}__url": URL, f"{stage}__model": "m"} | {
            f"{stage}__second_{name}": value for name, value in second.items()
        }
        chosen = getattr(choose_stages(settings(**given)), stage)
        assert type(chosen).__name__ in ("SecondTranscriber", "SteadyModel", "SecondSynthesizer")
        assert chosen.name == "m at 127.0.0.1:9"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"stt__url": URL}, "VIVAVOCE_STT_MODEL"),
        ({"tts__url": URL, "tts__model": "m", "tts__second_url": URL}, "VIVAVOCE_TTS_SECOND_MODEL"),
        ({"llm__url": "http://127.0.0.1:8000/v1", "llm__model": "m"}, "llm.url .* is this server itself"),
        (
            {"stt__url": "ws://127.0.0.1:8000/v1/realtime", "stt__model": "m"},
            "stt.url .* is this server itself",
        ),
        ({"tts__url": "127.0.0.1:9", "tts__model": "m"}, "tts.url: the address of the voice must begin with"),
    ],
)
def test_what_cannot_be_is_named(given: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        choose_stages(settings(**given))
