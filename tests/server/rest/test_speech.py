"""POST /v1/audio/speech with unmodified openai-python."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import sys
import wave
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import pytest
import soundfile
from openai import APIStatusError, BadRequestError, OpenAI

from tests.server.rest.rig import client
from tests.server.rig import server
from vivavoce.engines.scripted.stages import ToneSynthesizer
from vivavoce.server.rest import sound_out

TEXT = "Hello there, this is the first sentence. And this is the second one."
SAMPLES = 24_000 * 60 * len(TEXT.replace(". ", ".")) // 1000
"""60 ms for a character; a clause's last space is not spoken."""

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


def samples_of(sound: bytes, format_: Format) -> np.ndarray[Any, np.dtype[np.float32]]:
    if format_ == "pcm":
        return np.asarray(np.frombuffer(sound, "<i2") / 32768, np.float32)
    if format_ == "aac":
        import av

        with av.open(io.BytesIO(sound), "r") as container:
            frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
        return np.concatenate(frames).astype(np.float32)
    found, rate_hz = soundfile.read(io.BytesIO(sound), dtype="float32")
    assert rate_hz == 24_000
    return np.asarray(found, np.float32)


async def test_every_format_is_what_it_says_and_as_long_as_the_speech(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        plain = b""
        formats: tuple[Format, ...] = ("pcm", "wav", "flac", "mp3", "opus", "aac")
        for format_ in formats:
            reply = await openai.audio.speech.create(
                model="tts-1", voice="alloy", input=TEXT, response_format=format_
            )
            assert reply.response.headers["content-type"] == sound_out.MEDIA_TYPES[format_]
            sound = samples_of(reply.content, format_)
            plain = plain or reply.content
            lossless = format_ in ("pcm", "wav", "flac")
            # The others work in blocks, and some tell of silence before the first.
            assert len(sound) == SAMPLES if lossless else 0 <= len(sound) - SAMPLES < 4_000, (
                format_,
                len(sound),
            )
            # A tone of 440 Hz, whatever it went through.
            spectrum = np.abs(np.fft.rfft(sound[:24_000]))
            assert abs(int(spectrum.argmax()) - 440) <= 1
        with wave.open(io.BytesIO(sound_out.wav_header(len(plain) // 2) + plain)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (24_000, 1, SAMPLES)


async def test_the_default_is_mp3_and_fields_of_newer_clients_are_accepted(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        extra: dict[str, Any] = {"instructions": None, "something_new": 1}
        reply = await openai.audio.speech.create(
            model="gpt-4o-mini-tts", voice="marin", input="Hi.", extra_body=extra
        )
        assert reply.response.headers["content-type"] == "audio/mpeg"
        assert reply.response.headers["x-request-id"].startswith("req_")


async def test_speed_stretches_time(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        lengths = []
        for speed in (0.25, 1.0, 4.0):
            reply = await openai.audio.speech.create(
                model="tts-1", voice="alloy", input="a few words", response_format="pcm", speed=speed
            )
            lengths.append(len(reply.content))
        assert lengths == [4 * lengths[1], lengths[1], lengths[1] // 4]


async def test_the_first_bytes_come_before_the_last_clause_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second clause is held back until the client has the first: only a stream can end this test."""
    import asyncio

    has_first, speak = asyncio.Event(), ToneSynthesizer.speak
    asked: list[str] = []

    async def held_back(self: ToneSynthesizer, speech: Any) -> Any:
        asked.append(speech.text)
        if len(asked) > 1:
            await has_first.wait()
        async for piece in speak(self, speech):
            yield piece

    async with client(tmp_path) as openai:
        monkeypatch.setattr(ToneSynthesizer, "speak", held_back)
        async with openai.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=TEXT, response_format="pcm"
        ) as reply:
            received = 0
            async for piece in reply.iter_bytes(chunk_size=1024):
                received += len(piece)
                has_first.set()
        assert len(asked) > 1
        assert received == 2 * SAMPLES


async def test_events_carry_the_same_sound_and_count_it(tmp_path: Path) -> None:
    async with server(tmp_path) as url, httpx.AsyncClient() as http:
        body = {"model": "m", "voice": "ash", "input": TEXT, "response_format": "pcm"}
        plain = await http.post(f"{url}/v1/audio/speech", json=body)
        streamed = await http.post(f"{url}/v1/audio/speech", json=body | {"stream_format": "sse"})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == plain.content
    read, made = -(-len(TEXT) // 4), -(-SAMPLES * 20 // 24_000)
    usage = {"input_tokens": read, "output_tokens": made, "total_tokens": read + made}
    assert events[-1] == {"type": "speech.audio.done", "usage": usage}


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"input": None}, "input", "invalid_type"),
        ({"input": ""}, "input", "invalid_value"),
        ({"input": "x" * 4097}, "input", "string_above_max_length"),
        ({"voice": "nobody"}, "voice", "invalid_value"),
        ({"voice": {"id": "voice_1"}}, "voice", "invalid_value"),
        ({"speed": 4.1}, "speed", "invalid_value"),
        ({"speed": 0.2}, "speed", "invalid_value"),
        ({"response_format": "ogg"}, "response_format", "invalid_value"),
        ({"stream_format": "json"}, "stream_format", "invalid_value"),
    ],
)
async def test_errors_name_the_field(tmp_path: Path, change: dict[str, Any], param: str, code: str) -> None:
    async with client(tmp_path) as openai:
        given: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": "Hi."}
        with pytest.raises(BadRequestError) as refused:
            await openai.audio.speech.create(**given, extra_body=change)
    assert (refused.value.param, refused.value.code) == (param, code)
    assert refused.value.type == "invalid_request_error"


async def test_what_is_missing_is_named(tmp_path: Path) -> None:
    async with server(tmp_path) as url, httpx.AsyncClient() as http:
        missing = await http.post(f"{url}/v1/audio/speech", json={"model": "m", "voice": "alloy"})
        broken = await http.post(
            f"{url}/v1/audio/speech", content="{", headers={"content-type": "application/json"}
        )
        no_json = await http.post(f"{url}/v1/audio/speech", content="hello")
    assert missing.json()["error"]["code"] == "missing_required_parameter"
    assert missing.json()["error"]["param"] == "input"
    assert broken.json()["error"]["code"] == "invalid_json"
    assert [reply.status_code for reply in (missing, broken, no_json)] == [400, 400, 400]


async def test_without_the_extra_aac_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "av" else find_spec(name))
    async with client(tmp_path) as openai:
        with pytest.raises(BadRequestError, match=r"vivavoce\[codecs\]"):
            await openai.audio.speech.create(model="tts-1", voice="alloy", input="Hi.", response_format="aac")


async def test_a_voice_that_fails_at_once_is_a_status_and_later_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vivavoce.protocol.errors import EngineError

    speak = ToneSynthesizer.speak
    good_clauses = 0

    async def failing(self: ToneSynthesizer, speech: Any) -> Any:
        nonlocal good_clauses
        if not good_clauses:
            raise EngineError("tts", "no voice was free", retryable=True)
        good_clauses -= 1
        async for piece in speak(self, speech):
            yield piece

    body = {"model": "m", "voice": "ash", "input": TEXT, "response_format": "pcm", "stream_format": "sse"}
    async with server(tmp_path) as url, httpx.AsyncClient() as http:
        monkeypatch.setattr(ToneSynthesizer, "speak", failing)
        at_once = await http.post(f"{url}/v1/audio/speech", json=body)
        good_clauses = 1
        later = await http.post(f"{url}/v1/audio/speech", json=body)
        good_clauses = 1
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(f"{url}/v1/audio/speech", json=body | {"stream_format": "audio"})
    assert (at_once.status_code, at_once.headers["retry-after"]) == (503, "1")
    assert at_once.json()["error"]["code"] == "tts_failed"
    last = json.loads([line for line in later.text.splitlines() if line][-1][6:])
    assert last["error"]["message"] == "no voice was free"


async def test_the_synchronous_client_works_as_well(tmp_path: Path) -> None:
    import asyncio

    def ask(url: str) -> int:
        with OpenAI(base_url=f"{url}/v1", api_key="local", max_retries=0) as openai:
            with openai.audio.speech.with_streaming_response.create(
                model="tts-1", voice="alloy", input=TEXT, response_format="pcm"
            ) as reply:
                received = sum(len(piece) for piece in reply.iter_bytes(1024))
            with pytest.raises(APIStatusError):
                openai.audio.speech.create(model="tts-1", voice="nobody", input="Hi.")
            return received

    async with server(tmp_path) as url:
        assert await asyncio.to_thread(ask, url) == 2 * SAMPLES
