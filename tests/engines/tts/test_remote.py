"""A voice behind HTTP, played by a server on loopback."""

from __future__ import annotations

import asyncio
import io
import struct
import wave
from typing import Any

import numpy as np
import pytest

from tests.engines.played import Endpoint, answered, endpoint, head
from vivavoce.audio.clip import TICKS_PER_SECOND
from vivavoce.call.ports import Speech, Spoken
from vivavoce.engines.cascade.tts.addresses import said
from vivavoce.engines.cascade.tts.remote import PACES_KEPT, RemoteSynthesizer, RemoteTtsSettings
from vivavoce.engines.cascade.tts.second import SecondSynthesizer
from vivavoce.engines.cascade.tts.wave_stream import NotSound, SoundReader
from vivavoce.protocol.errors import EngineError

KEY = "sk-very-secret-0123456789"
PCM = "audio/pcm"


def sound(duration_ms: int, rate_hz: int = 24_000) -> bytes:
    at = np.arange(rate_hz * duration_ms // 1000)
    return bytes((6000 * np.sin(at * 0.1)).astype("<i2").tobytes())


def voice(url: str, **settings: Any) -> RemoteSynthesizer:
    return RemoteSynthesizer(RemoteTtsSettings(url, "tts-1", KEY, **settings))


async def spoken(
    tts: RemoteSynthesizer, text: str = "One two three.", speed: float = 1.0, rate_hz: int = 24_000
) -> list[Spoken]:
    return [piece async for piece in tts.speak(Speech(text, "marin", speed, rate_hz))]


def length_ms(pieces: list[Spoken]) -> float:
    return sum(piece.clip.ticks for piece in pieces) * 1000 / TICKS_PER_SECOND


async def failure(url: str, **settings: Any) -> EngineError:
    tts = voice(url, **settings)
    with pytest.raises(EngineError) as caught:
        await spoken(tts)
    await tts.close()
    assert caught.value.stage == "tts"
    assert KEY not in str(caught.value)
    return caught.value


async def test_sound_comes_in_pieces_with_a_mark_for_every_word() -> None:
    body = sound(1000)
    pieces_sent = [head(kind=PCM), *(body[at : at + 3333] for at in range(0, len(body), 3333))]
    async with endpoint(pieces_sent) as (played, url):
        tts = voice(url, voices={"marin": "af_heart"})
        pieces = await spoken(tts)
        await tts.close()
    assert played.bodies == [
        {"model": "tts-1", "input": "One two three.", "voice": "af_heart", "response_format": "pcm"}
    ]
    assert f"authorization: Bearer {KEY}" in played.heads[0]
    assert b"".join(piece.clip.pcm for piece in pieces) == body
    assert all(piece.clip.ticks <= TICKS_PER_SECOND // 10 for piece in pieces)
    marks = [mark for piece in pieces for mark in piece.marks]
    assert [chars for chars, _ in marks] == [3, 7, 14]
    assert marks[-1][1] == TICKS_PER_SECOND
    assert [at for _, at in marks] == sorted(at for _, at in marks)


async def test_the_pace_of_a_voice_is_learnt() -> None:
    body = sound(4000)
    whole = answered(body, PCM)
    async with endpoint(whole, whole) as (_, url):
        tts = voice(url)
        first, second = [[mark for piece in await spoken(tts) for mark in piece.marks] for _ in range(2)]
        await tts.close()
    # A slow voice: at first its words are put too early, but the end is where it is.
    assert first[0][1] < second[0][1]
    assert first[-1] == second[-1] == (14, 4 * TICKS_PER_SECOND)


async def test_voices_and_speeds_that_clients_make_up_are_not_all_remembered() -> None:
    whole = answered(sound(100), PCM)
    async with endpoint(*[whole] * (PACES_KEPT + 5)) as (_, url):
        tts = voice(url)
        for number in range(PACES_KEPT + 5):
            await spoken(tts, "Hi.", speed=0.5 + number / 1000)
        await tts.close()
    assert len(tts._pace) == PACES_KEPT
    assert ("marin", 0.5) not in tts._pace


async def test_letters_of_a_script_without_spaces_are_marked_by_themselves() -> None:
    async with endpoint(answered(sound(1000), PCM)) as (_, url):
        tts = voice(url)
        pieces = [piece async for piece in tts.speak(Speech("您的订单。", "marin", 1.0, 24_000, "zh"))]
        await tts.close()
    assert [chars for piece in pieces for chars, _ in piece.marks] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("rate_hz", [8_000, 24_000])
@pytest.mark.parametrize("kind", ["wav", "stereo", "named", "plain"])
async def test_sound_of_any_rate_and_kind(kind: str, rate_hz: int) -> None:
    made = io.BytesIO()
    settings: dict[str, int] = {}
    if kind in ("wav", "stereo"):
        sides = 2 if kind == "stereo" else 1
        with wave.open(made, "wb") as file:
            file.setnchannels(sides)
            file.setsampwidth(2)
            file.setframerate(22_050)
            file.writeframes(np.repeat(np.frombuffer(sound(500, 22_050), "<i2"), sides).tobytes())
        answer = answered(made.getvalue(), "audio/wav")
    elif kind == "named":
        answer = answered(sound(500, 16_000), "audio/L16; rate=16000")
    else:
        answer, settings = answered(sound(500, 22_050), PCM), {"rate_hz": 22_050}
    async with endpoint(answer) as (_, url):
        tts = voice(url, **settings)
        pieces = await spoken(tts, rate_hz=rate_hz)
        await tts.close()
    assert {piece.clip.rate_hz for piece in pieces} == {rate_hz}
    assert abs(length_ms(pieces) - 500) < 1


async def test_fields_that_a_server_refuses_are_left_out_from_then_on() -> None:
    refusals = [
        answered(b'{"detail": "%b is not supported"}' % name, "application/json", status)
        for name, status in ((b"speed", "400 No"), (b"language", "422 No"))
    ]
    async with endpoint(*refusals, answered(sound(100), PCM)) as (played, url):
        tts = voice(url, voice="joe", language="de")
        await spoken(tts, speed=1.2)
        await tts.close()
    assert [body.get("speed") for body in played.bodies] == [1.2, None, None]
    assert [(body["voice"], body.get("language")) for body in played.bodies] == [("joe", "de")] * 2 + [
        ("joe", None)
    ]


async def test_a_voice_is_the_sessions_where_the_settings_name_none_for_it() -> None:
    whole = answered(sound(100), PCM)
    async with endpoint(whole, whole) as (played, url):
        for voices in ({}, {"marin": "ann"}):
            tts = voice(url, voices=voices)
            await spoken(tts)
            await tts.close()
    assert [body["voice"] for body in played.bodies] == ["marin", "ann"]


async def test_signs_alone_are_not_asked_for() -> None:
    async with endpoint() as (played, url):
        tts = voice(url)
        assert await spoken(tts, " ... ") == []
        await tts.close()
    assert played.heads == []


@pytest.mark.parametrize(
    ("answer", "message", "retryable"),
    [
        (answered(f"bad {KEY}".encode(), "text/plain", "401 No"), "answered 401: bad ***", False),
        (answered(b"busy", "text/html", "503 Busy"), "answered 503: busy", True),
        (answered(b'{"error": "no voice"}', "application/json"), "sent no sound: no voice", True),
        (answered(b"", PCM), "sent no sound: an empty answer", True),
        ([asyncio.Event()], "sent no sound within 0.2 s", True),
        ([head(kind=PCM), sound(100), asyncio.Event()], "sent no more sound for 0.2 s", True),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + sound(100)], "broke off in the middle", True),
    ],
    ids=["401", "503", "error", "empty", "silent", "stalls", "breaks"],
)
async def test_failures_name_the_host_and_never_the_key(answer: Any, message: str, retryable: bool) -> None:
    async with endpoint(answer) as (_, url):
        error = await failure(
            url,
            first_audio_s=0.2 if "within" in message else 10.0,
            next_audio_s=0.2 if "no more" in message else 10.0,
        )
    assert message in error.message
    assert error.retryable is retryable


async def test_closing_the_iterator_closes_the_request() -> None:
    async with endpoint([head(kind=PCM), sound(300), asyncio.Event()]) as (played, url):
        tts = voice(url)
        pieces = tts.speak(Speech("One two three.", "marin", 1.0, 24_000))
        await anext(pieces)
        await pieces.aclose()
        await asyncio.wait_for(played.gone.wait(), 2)
        await tts.close()


async def test_a_connection_is_used_again() -> None:
    whole = answered(sound(100), PCM)
    async with endpoint(whole, whole, whole) as (played, url):
        tts = voice(url)
        for _ in range(3):
            await spoken(tts)
        await tts.close()
    assert played.connections == 1


async def test_a_second_voice_speaks_where_the_first_does_not_begin() -> None:
    broken, fine = answered(b"oops", "text/plain", "500 Oops"), answered(sound(100), PCM)

    async def count(one: Endpoint, other: Endpoint) -> tuple[int, int]:
        return len(one.bodies), len(other.bodies)

    async with endpoint(broken) as (first, url), endpoint(fine, fine) as (second, other):
        tts = SecondSynthesizer(voice(url), voice(other))
        for _ in range(2):
            assert [piece async for piece in tts.speak(Speech("One.", "marin", 1.0, 24_000))]
        await tts.close()
        assert await count(first, second) == (1, 2)


@pytest.mark.parametrize(
    ("text", "spoken_as"),
    [
        ("See https://www.a.dev/x_y?z=1.", "See a dot dev slash x underscore y question mark z equals 1."),
        ("Write to jo.doe+x@mail.example, please", "Write to jo dot doe plus x at mail dot example, please"),
        ("It costs 3.50 at example.com.", "It costs 3.50 at example.com."),
    ],
)
def test_addresses_are_written_as_they_are_said(text: str, spoken_as: str) -> None:
    assert said(text, "en") == spoken_as


def test_other_languages_name_the_signs_themselves() -> None:
    assert said("Siehe https://a.dev/x/", "de") == "Siehe a.dev/x"


# --- other formats ----------------------------------------------------------------------------------------------------------


def wav(
    samples: bytes,
    rate_hz: int = 24_000,
    *,
    kind: int = 1,
    bits: int = 16,
    size: int | None = None,
    sides: int = 1,
) -> bytes:
    """A file as servers write it while they make it: what stands in the header may be wrong."""
    described = struct.pack("<HHIIHH", kind, sides, rate_hz, rate_hz * bits // 8, sides * bits // 8, bits)
    if kind == 0xFFFE:
        described += struct.pack("<HHIH14x", 22, bits, 0, 1)
    length = len(samples) if size is None else size
    chunks = b"fmt " + struct.pack("<I", len(described)) + described + b"data" + struct.pack("<I", length)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + chunks + samples


ONE = sound(200)[:-2]  # a length that divides by nothing
PEAK = int(np.abs(np.frombuffer(ONE, "<i2").astype(int)).max())
INFO = b"LIST" + struct.pack("<I", 8000) + b"INFO" * 2000
FLOATS = (np.frombuffer(ONE, "<i2") / 32768).astype("<f4").tobytes()
WIDE = np.frombuffer(ONE, "<i2").astype("<i4") * 65536
WIDER = b"".join(octets.tobytes()[1:] for octets in WIDE)


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (wav(ONE), 200),
        (wav(ONE, size=0), 200),
        (wav(ONE, size=0xFFFFFFFF), 200),
        (wav(ONE, size=0xFFFFFFDB), 200),
        (wav(ONE, size=500), 200),
        (wav(ONE) + INFO, 200),
        (wav(ONE) + wav(ONE), 400),
        (wav(ONE, kind=0xFFFE), 200),
        (wav(FLOATS, kind=3, bits=32), 200),
        (wav(WIDE.tobytes(), bits=32), 200),
        (wav(WIDER, bits=24), 200),
    ],
    ids=["honest", "zero", "endless", "nearly", "too short", "behind", "two", "extensible", "floats", "32", "24"],
)  # fmt: skip
@pytest.mark.parametrize("size", [3, 100_000])
def test_wav_files_as_servers_write_them(body: bytes, length: int, size: int) -> None:
    reader = SoundReader("audio/wav", 24_000)
    got = b"".join(reader.feed(body[at : at + size]) for at in range(0, len(body), size))
    samples = np.frombuffer(got, "<i2").astype(int)
    assert len(samples) == length // 200 * 4799
    assert abs(int(np.abs(samples).max()) - PEAK) <= 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (wav(ONE, 0), "0 samples per second"),
        (wav(ONE, bits=8), "8 bits"),
        (wav(ONE).replace(b"fmt \x10", b"fmt \x08"), "without a format"),
        (wav(ONE, kind=7), "kind 7"),
        (wav(ONE, sides=0), "16 bits"),
        (wav(ONE) + wav(ONE, 16_000), "different rates"),
    ],
)
def test_wav_files_that_nobody_can_play(body: bytes, message: str) -> None:
    with pytest.raises(NotSound, match=message):
        SoundReader("audio/wav", 24_000).feed(body)


MP3 = b"\xff\xfb\x90\x64" * 400


@pytest.mark.parametrize(
    ("body", "kind", "name"),
    [
        (MP3, "audio/mpeg", "mpeg"),
        (MP3, "application/octet-stream", "mp3"),
        (b"ID3\x04" * 400, PCM, "mp3"),
        (b"OggS" * 400, "audio/opus", "ogg"),
    ],
)
async def test_another_format_is_asked_for_once_more_and_then_named(
    body: bytes, kind: str, name: str
) -> None:
    async with endpoint(answered(body, kind), answered(body, kind)) as (played, url):
        error = await failure(url)
    assert f"sent {name}: it has to be able to send pcm or wav" in error.message
    assert not error.retryable
    assert [sent["response_format"] for sent in played.bodies] == ["pcm", "wav"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (MP3, PCM),
        (b"\xff\xea\x90\x64" * 400, ""),
        (b"\xff\xfd\x90\x64" * 400, ""),
        (b"\xff\xfb\xf0\x64" * 400, ""),
        (b"\xff\xfb\x9c\x64" * 400, ""),
    ],
)
def test_samples_that_only_look_like_another_format_are_played(body: bytes, kind: str) -> None:
    assert SoundReader(kind, 24_000).feed(body) == body


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("`response_format` must be one of [wav]", "400 No"),
        ("Unsupported output format", "422 No"),
        ("pcm: codec not found", "500 Oops"),
    ],
)
async def test_an_endpoint_without_raw_sound_is_asked_for_wav_from_then_on(words: str, status: str) -> None:
    refusal = answered(f'{{"error": {{"message": "{words}"}}}}'.encode(), "application/json", status)
    whole = answered(wav(ONE), "audio/wav")
    async with endpoint(refusal, whole, whole) as (played, url):
        tts = voice(url)
        for _ in range(2):
            assert abs(length_ms(await spoken(tts)) - 200) < 1
        await tts.close()
    assert [body["response_format"] for body in played.bodies] == ["pcm", "wav", "wav"]


async def test_an_endpoint_that_refuses_wav_too_says_what_it_wants() -> None:
    refusal = answered(b"response_format must be mp3", "text/plain", "400 No")
    async with endpoint(refusal, refusal) as (_, url):
        assert "answered 400: response_format must be mp3" in (await failure(url)).message
