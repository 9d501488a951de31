"""All three stages behind HTTP: another vivavoce hears, thinks and speaks for this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pybase64
import pytest

from tests.ports import free_port
from tests.proofs import Proof
from tests.server.rig import ANSWER, Talk, openai_client, server
from vivavoce.call.settings import load_settings
from vivavoce.demo.server import own_server
from vivavoce.demo.show import Wishes, show
from vivavoce.engines.cascade.native_libraries import find_flite
from vivavoce.server.embedded import running_server


def stages(url: str, key: str, hears: str = "") -> dict[str, Any]:
    """Settings of a cascade whose stages are there."""
    given: dict[str, Any] = {}
    for stage, model in (("stt", "gpt-4o-transcribe"), ("llm", "gpt-5"), ("tts", "gpt-4o-mini-tts")):
        given |= {f"{stage}.url": f"{url}/v1", f"{stage}.model": model, f"{stage}.key": key}
    return given | ({"stt.url": hears} if hears else {})


@contextlib.asynccontextmanager
async def served(folder: Path, flags: dict[str, Any]) -> AsyncIterator[str]:
    """A cascade with those stages, and a second model of its own."""
    settings = load_settings({"vad.kind": "energy", "data_dir": str(folder), **flags}, environ={})
    async with running_server(settings) as url:
        yield url


async def speak(talk: Talk) -> None:
    """A tone that recognisers' rates can hold, and silence."""
    tone = (6000 * np.sin(np.arange(480) * 2 * np.pi / 48)).astype("<i2").tobytes()
    for piece in [tone] * 30 + [bytes(960)] * 30:
        await talk.send("input_audio_buffer.append", audio=pybase64.b64encode_as_string(piece))


@pytest.mark.parametrize("socket", [False, True], ids=["http", "socket"])
async def test_a_turn_is_heard_answered_and_spoken_by_another_server(tmp_path: Path, socket: bool) -> None:
    async with server(tmp_path, auth__keys="vv_other") as other:
        hears = f"ws{other[4:]}/v1/realtime" if socket else ""
        async with served(tmp_path, stages(other, "vv_other", hears)) as url, openai_client(url) as talk:
            created = await talk.until("session.created")
            assert created["session"]["vivavoce"]["tts"].startswith("gpt-4o-mini-tts at 127.0.0.1:")
            turns = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
            await talk.send("session.update", session=turns)
            await speak(talk)
            done = await talk.until("response.done")
    (heard,) = talk.of_type("conversation.item.input_audio_transcription.completed")
    assert heard["transcript"] == "hello there"
    assert done["response"]["status"] == "completed", done["response"]["status_details"]
    (item,) = done["response"]["output"]
    assert item["content"][0]["transcript"] == ANSWER
    assert len(talk.of_type("response.output_audio.delta")) > 5


async def test_a_second_choice_answers_when_the_other_server_is_gone(tmp_path: Path) -> None:
    gone = stages("http://127.0.0.1:9", "vv_other") | {
        f"{stage}.second_url": "builtin" for stage in ("llm", "tts")
    }
    gone.pop("stt.url")
    async with served(tmp_path, gone) as url, openai_client(url) as talk:
        await talk.say("hello")
        done = await talk.until("response.done")
    assert done["response"]["status"] == "completed", done["response"]["status_details"]
    assert talk.of_type("response.output_audio.delta")


async def test_a_turn_that_nobody_can_hear_ends_and_says_why(tmp_path: Path) -> None:
    """Its sound comes at once, so that the turn is over before anybody has looked at its pause."""
    deaf = {"stt.url": f"http://127.0.0.1:{free_port()}/v1", "stt.model": "m"}
    async with served(tmp_path, deaf) as url, openai_client(url) as talk:
        await speak(talk)
        done = await talk.until("response.done")
    assert done["response"]["status"] == "failed"
    assert done["response"]["status_details"]["error"]["code"] == "stt_failed"


@pytest.mark.skipif(find_flite() is None, reason="needs libflite for the caller's voice")
async def test_the_demo_over_http(proof: Proof, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped call against a cascade whose stages are a second vivavoce with its embedded models."""
    if not proof.size(0, 1):
        pytest.skip("a call of two minutes: make prove")
    for name in [one for one in os.environ if one.startswith("VIVAVOCE_PROOFS")]:
        monkeypatch.delenv(name)  # The servers take it for a setting.
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        async with own_server({"data_dir": str(tmp_path)}, print) as other:
            flags = stages(other.url, other.key) | {"stt.hints": "session", "stt.timeout_ms": 60_000}
            code = await show(Wishes(flags=flags, out=tmp_path / "out"))
    recording = json.loads((tmp_path / "out" / "transcript.json").read_bytes())
    passed = [check["name"] for check in recording["checks"] if check["passed"]]
    proof.result(
        f"answered {len(passed)} of {len(recording['checks'])}, voice to voice p50 {recording['voice_to_voice_p50_ms']} ms"
    )
    assert code == 0, printed.getvalue()
