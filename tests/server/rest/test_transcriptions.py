"""POST /v1/audio/transcriptions and /v1/audio/translations with unmodified openai-python."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
import soundfile
from openai import APIStatusError, AsyncOpenAI, BadRequestError

from tests.engines.played import answered, endpoint
from tests.server.rest.rig import TONE, client, wav
from tests.server.rig import server
from vivavoce.call.ports import Stages
from vivavoce.call.settings import load_settings
from vivavoce.engines.cascade.stt.remote import RemoteSttSettings, RemoteTranscriber
from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
from vivavoce.server.app import create_app

SILENCE = bytes(2 * 16_000)
TWICE = TONE + SILENCE + TONE + SILENCE
"""Somebody speaks for a second, pauses for one, and speaks again."""


def in_format(container: str, subtype: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.frombuffer(TONE, "<i2"), 16_000, subtype=subtype, format=container)
    return out.getvalue()


def with_av(container: str, codec: str, rate_hz: int) -> bytes:
    import av

    out = io.BytesIO()
    made = av.open(out, "w", format=container)
    stream: Any = made.add_stream(codec, rate=rate_hz, layout="mono")
    sound = (np.sin(np.arange(rate_hz) * 0.1) * 9000).astype("<i2").reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
    frame.sample_rate = rate_hz
    for packet in [*stream.encode(frame), *stream.encode(None)]:
        made.mux(packet)
    made.close()
    return out.getvalue()


async def transcript(openai: AsyncOpenAI, name: str, content: bytes, **more: Any) -> Any:
    return await openai.audio.transcriptions.create(
        model=more.pop("model", "gpt-4o-transcribe"), file=(name, content), **more
    )


async def test_every_format_of_the_api_is_read(tmp_path: Path) -> None:
    files = {
        "a.wav": wav(),
        "stereo.wav": wav(np.repeat(np.frombuffer(TONE, "<i2"), 2).tobytes(), channels=2),
        "odd.wav": wav(TONE, rate_hz=11_025),
        "float.wav": in_format("WAV", "FLOAT"),
        "8.wav": in_format("WAV", "PCM_U8"),
        "24.wav": in_format("WAV", "PCM_24"),
        "a.mp3": in_format("MP3", "MPEG_LAYER_III"),
        "a.flac": in_format("FLAC", "PCM_16"),
        "a.ogg": in_format("OGG", "VORBIS"),
        "a.opus": in_format("OGG", "OPUS"),
        "a.webm": with_av("webm", "libopus", 48_000),
        "a.m4a": with_av("ipod", "aac", 24_000),
    }
    async with client(tmp_path) as openai:
        for name, content in files.items():
            reply = await transcript(openai, name, content)
            assert reply.text == "hello there", name
            assert reply.usage.type == "tokens"
            # Coded sound may come out a little longer than it went in.
            assert 10 <= reply.usage.input_token_details.audio_tokens <= 15, name


async def test_an_mp3_of_variable_bit_rate_without_its_length_is_read_to_the_end(tmp_path: Path) -> None:
    """Nothing in it says how long it is, as in one that was sent while it was made."""
    out = io.BytesIO()
    soundfile.write(
        out,
        np.frombuffer(TONE * 4, "<i2"),
        16_000,
        subtype="MPEG_LAYER_III",
        format="MP3",
        bitrate_mode="VARIABLE",
    )
    whole = out.getvalue()
    tag = whole.index(b"Xing") if b"Xing" in whole else whole.index(b"Info")
    blank = whole[:tag] + bytes(120) + whole[tag + 120 :]
    async with client(tmp_path) as openai:
        reply = await transcript(openai, "a.mp3", blank)
    assert 40 <= reply.usage.input_token_details.audio_tokens <= 43


async def test_silence_is_nothing_in_every_form(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        silence = wav(SILENCE * 3)
        assert (await transcript(openai, "a.wav", silence)).text == ""
        assert (await transcript(openai, "a.wav", silence, response_format="text")).strip() == ""
        assert await transcript(openai, "a.wav", silence, response_format="srt") == ""
        assert (await transcript(openai, "a.wav", silence, response_format="vtt")).strip() == "WEBVTT"
        verbose = await transcript(openai, "a.wav", silence, response_format="verbose_json")
        assert (verbose.text, verbose.segments, verbose.duration) == ("", [], 3.0)
        streamed = await transcript(openai, "a.wav", silence, stream=True)
        assert [(event.type, event.text) async for event in streamed] == [("transcript.text.done", "")]


async def test_the_language_is_named_that_was_asked_for(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        named = [
            (
                await transcript(openai, "a.wav", wav(), response_format="verbose_json", language=asked)
            ).language
            for asked in ("de", "pt-BR", "yo")
        ]
    assert named == ["german", "portuguese", "yo"]


async def test_stretches_of_speech_are_segments_with_their_times(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        verbose = await transcript(
            openai,
            "a.wav",
            wav(TWICE),
            model="whisper-1",
            response_format="verbose_json",
            timestamp_granularities=["segment"],
        )
        srt = await transcript(openai, "a.wav", wav(TWICE), response_format="srt")
        vtt = await transcript(openai, "a.wav", wav(TWICE), response_format="vtt")
    assert verbose.text == "hello there hello there"
    assert (verbose.language, verbose.duration, verbose.usage.seconds) == ("english", 4.0, 4)
    first, second = verbose.segments
    assert (first.id, first.start, second.id) == (0, 0.0, 1)
    # Silence of 700 ms closes a stretch; the next begins 300 ms before its first sound.
    assert first.end == pytest.approx(1.7, abs=0.05)
    assert second.start == pytest.approx(1.7, abs=0.05)
    times = "00:00:00,000 --> 00:00:01,700"
    assert srt.startswith(f"1\n{times}\nhello there\n\n2\n")
    assert vtt.startswith(f"WEBVTT\n\n{times.replace(',', '.')}\nhello there\n")


async def test_the_chunking_of_the_client_is_gone_by(tmp_path: Path) -> None:
    gap = wav(TONE + bytes(2 * 6_400) + TONE + SILENCE)
    async with client(tmp_path) as openai:
        whole = await transcript(openai, "a.wav", gap, chunking_strategy="auto")
        parts = await transcript(
            openai, "a.wav", gap, chunking_strategy={"type": "server_vad", "silence_duration_ms": 200}
        )
        with pytest.raises(BadRequestError) as refused:
            await transcript(openai, "a.wav", gap, chunking_strategy={"type": "server_vad", "threshold": 7})
    assert (whole.text, parts.text) == ("hello there", "hello there hello there")
    assert refused.value.param == "chunking_strategy"


async def test_deltas_join_to_the_final_text(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        events = [e async for e in await transcript(openai, "a.wav", wav(TWICE), stream=True)]
        # As with the service, this model is never streamed.
        plain = await transcript(openai, "a.wav", wav(), model="whisper-1", extra_body={"stream": True})
    assert [event.type for event in events] == [*["transcript.text.delta"] * 2, "transcript.text.done"]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == "hello there hello there"
    assert events[-1].usage.total_tokens == events[-1].usage.input_tokens + events[-1].usage.output_tokens
    assert (plain.text, plain.usage.type, plain.usage.seconds) == ("hello there", "duration", 1)


@pytest.mark.filterwarnings("ignore:deprecated")
async def test_translations_give_english(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        plain = await openai.audio.translations.create(model="whisper-1", file=("a.wav", wav()))
        verbose = await openai.audio.translations.create(
            model="whisper-1", file=("a.wav", wav()), response_format="verbose_json"
        )
        text = await openai.audio.translations.create(
            model="whisper-1", file=("a.wav", wav()), response_format="text"
        )
    assert (plain.text, verbose.text, verbose.language) == ("hello there", "hello there", "english")
    assert str(text).strip() == "hello there"


BAD_FILES = {
    "nothing": b"",
    "words": b"no sound at all",
    "a head": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "half a head": wav()[:30],
    "tags alone": b"ID3" + bytes(500),
    "a page of zeros": b"OggS" + bytes(99),
}


async def test_bad_files_are_the_clients_mistake(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        for what, content in BAD_FILES.items():
            with pytest.raises(BadRequestError) as refused:
                await transcript(openai, "a.wav", content)
            assert (refused.value.param, refused.value.type) == ("file", "invalid_request_error"), what


async def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        with pytest.raises(APIStatusError) as refused:
            await transcript(openai, "a.wav", wav(bytes(25 * 1024 * 1024)))
        with pytest.raises(APIStatusError) as cut_short:
            await transcript(openai, "a.wav", wav(bytes(30 * 1024 * 1024)))
        with pytest.raises(BadRequestError, match="longer than 1500 seconds"):
            await transcript(openai, "a.wav", wav(bytes(2 * 1501 * 1000), rate_hz=1000))
    assert (refused.value.status_code, cut_short.value.status_code) == (413, 413)


async def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    async with client(tmp_path) as openai:
        with pytest.raises(BadRequestError) as speakers:
            await transcript(openai, "a.wav", wav(), response_format="diarized_json")
        with pytest.raises(BadRequestError) as temperature:
            await transcript(openai, "a.wav", wav(), temperature=3)
    assert speakers.value.param == "response_format"
    assert (temperature.value.param, temperature.value.code) == ("temperature", "invalid_value")
    async with server(tmp_path) as url, httpx.AsyncClient() as http:
        no_file = await http.post(f"{url}/v1/audio/transcriptions", data={"model": "m"})
        no_form = await http.post(f"{url}/v1/audio/transcriptions", json={"model": "m"})
    assert no_file.json()["error"]["param"] == "file"
    assert no_file.json()["error"]["code"] == "missing_required_parameter"
    assert no_form.status_code == 400


class HearsElsewhere(ScriptedEngine):
    """Its recogniser is an endpoint, which knows how likely words are."""

    def __init__(self, url: str) -> None:
        super().__init__(ScriptedSettings())
        self.stt = RemoteTranscriber(RemoteSttSettings(url, "small"))

    def stages(self) -> Stages:
        return replace(super().stages(), stt=self.stt)


async def test_log_probabilities_come_from_whoever_knows_them(tmp_path: Path) -> None:
    logprobs = [{"token": "yes", "logprob": -0.5, "bytes": [121, 101, 115]}]
    known = answered(msgspec.json.encode({"text": "yes", "logprobs": logprobs}), "application/json")
    nothing = answered(b'{"text": "yes"}', "application/json")
    async with endpoint(known, known, known, nothing) as (_, url):
        engine = HearsElsewhere(url)
        app = create_app(load_settings({"data_dir": str(tmp_path)}, environ={}), engine)
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/v1") as http:

            async def ask(sound: bytes, **more: str) -> str:
                fields = {"model": "gpt-4o-transcribe", "include[]": "logprobs", **more}
                files = {"file": ("a.wav", sound, "audio/wav")}
                return (await http.post("/audio/transcriptions", data=fields, files=files)).text

            assert msgspec.json.decode(await ask(wav()))["logprobs"] == logprobs
            events = (await ask(wav(), stream="true")).split("\n\n")
            told = [msgspec.json.decode(one.removeprefix("data: ")) for one in events[:2]]
            assert [one["logprobs"] for one in told] == [logprobs, logprobs]
            # Half of the words would shift the others.
            assert "logprobs" not in msgspec.json.decode(await ask(wav(TWICE)))
        await engine.stt.close()
