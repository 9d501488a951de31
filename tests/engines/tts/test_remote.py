"""A voice behind HTTP, played by a server on loopback."""

from __future__ import annotations

import asyncio
import io
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
    refusal = answered(b'{"detail": "speed is not supported"}', "application/json", "400 No")
    async with endpoint(refusal, answered(sound(100), PCM)) as (played, url):
        tts = voice(url, voice="joe", language="de")
        await spoken(tts, speed=1.2)
        await tts.close()
    assert [body.get("speed") for body in played.bodies] == [1.2, None]
    assert [(body["voice"], body["language"]) for body in played.bodies] == [("joe", "de")] * 2


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
        (answered(b"\xff\xfb\x90\x00" * 400, "audio/mpeg"), "mpeg although raw PCM was asked for", False),
        (answered(b"ID3\x04" * 400, PCM), "mp3 although", False),
        ([asyncio.Event()], "sent no sound within 0.2 s", True),
        ([head(kind=PCM), sound(100), asyncio.Event()], "sent no more sound for 0.2 s", True),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + sound(100)], "broke off in the middle", True),
    ],
    ids=["401", "503", "error", "empty", "mpeg", "mp3", "silent", "stalls", "breaks"],
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
