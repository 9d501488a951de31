"""Transcription sessions over a real socket, by unmodified clients (protocol reference 3.4, 3.7, 4.13; docs/adr/0020)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from openai.types.beta.realtime import (
    ConversationItemInputAudioTranscriptionCompletedEvent,
    TranscriptionSessionUpdatedEvent,
)
from openai.types.realtime import RealtimeTranscriptionSessionCreateResponse

from tests.server.rig import Talk, raw_client, server
from tests.server.sounds import FORMATS, hum, pieces
from vivavoce.audio.codec import decode_audio

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = "good morning to you all"
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"
BOTH_ADDED = ["conversation.item.added", "conversation.item.done"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with server(tmp_path_factory.mktemp("server"), scripted__transcript=WORDS) as url:
        yield url


@contextlib.asynccontextmanager
async def desk(url: str, **heard: Any) -> AsyncIterator[Talk]:
    """The unmodified client in a transcription session with these settings of `audio.input`."""
    async with (
        AsyncOpenAI(base_url=f"{url}/v1", api_key="local") as client,
        client.realtime.connect(
            extra_query={"intent": "transcription"}, websocket_connection_options={"max_queue": None}
        ) as connection,
    ):
        talk = Talk(connection)
        created = await talk.next()
        assert created["type"] == "session.created"
        if heard:
            await configure(talk, **heard)
        yield talk


async def configure(talk: Talk, **heard: Any) -> dict[str, Any]:
    """The session as `session.updated` shows it, which is what the client's own types say it is."""
    await talk.send("session.update", session={"type": "transcription", "audio": {"input": heard}})
    session: dict[str, Any] = (await talk.until("session.updated"))["session"]
    RealtimeTranscriptionSessionCreateResponse.model_validate(session, strict=True)
    return session


async def send(talk: Talk, pcm: bytes, wire: str = "audio/pcm") -> None:
    for piece in pieces(pcm, wire):
        await talk.send("input_audio_buffer.append", audio=piece)


def told(talk: Talk) -> str:
    """All deltas as one text."""
    return "".join(event["delta"] for event in talk.of_type(DELTA))


async def test_it_opens_with_every_default_and_its_type(url: str) -> None:
    async with desk(url) as talk:
        session = talk.events[0]["session"]
        RealtimeTranscriptionSessionCreateResponse.model_validate(session, strict=True)
        assert (session["type"], session["object"]) == ("transcription", "realtime.transcription_session")
        assert session["id"].startswith("sess_")
        heard = session["audio"]["input"]
        assert heard["format"] == {"type": "audio/pcm", "rate": 24_000}
        assert heard["turn_detection"]["type"] == "server_vad"
        assert heard["transcription"]["model"]


@pytest.mark.parametrize(
    "detection",
    [{"type": "server_vad"}, {"type": "semantic_vad", "eagerness": "high"}],
    ids=lambda d: d["type"],
)
async def test_a_turn_is_told_while_it_is_said(url: str, detection: dict[str, Any]) -> None:
    """speech_started, words that are there for good, stopped, committed, the item, the rest, completed; and no answer."""
    async with desk(url, turn_detection=detection, transcription={"model": "gpt-4o-transcribe"}) as talk:
        await send(talk, hum(1600) + bytes(48 * 700))
        completed = await talk.until(COMPLETED)
        assert talk.types()[2:] == [
            "input_audio_buffer.speech_started",
            DELTA,
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            *BOTH_ADDED,
            DELTA,
            COMPLETED,
        ]
        names = {event["item_id"] for event in talk.events[2:] if "item_id" in event}
        assert names == {completed["item_id"]}
        assert told(talk) == completed["transcript"] == WORDS
        assert completed["usage"]["type"] == "tokens"
        seen = completed["usage"]["input_token_details"]["audio_tokens"]
        stopped = talk.of_type("input_audio_buffer.speech_stopped")[0]["audio_end_ms"]
        assert seen == stopped // 100


@pytest.mark.parametrize(
    ("model", "told_early", "billed"),
    [
        ("whisper-1", False, "duration"),
        ("gpt-transcribe", True, "tokens"),
        ("gpt-realtime-whisper", True, "duration"),
    ],
)
async def test_by_hand_an_item_is_all_that_was_sent(
    url: str, model: str, told_early: bool, billed: str
) -> None:
    async with desk(url, turn_detection=None, transcription={"model": model}) as talk:
        await send(talk, hum(1600))
        await talk.send("input_audio_buffer.commit")
        completed = await talk.until(COMPLETED)
        early = talk.types()[2] == DELTA
        assert early == told_early
        assert "input_audio_buffer.speech_started" not in talk.types()
        assert told(talk) == completed["transcript"] == WORDS
        assert completed["usage"]["type"] == billed
        if billed == "duration":
            assert completed["usage"]["seconds"] == 1.6


async def test_a_model_that_transcribes_as_it_hears_wants_no_turn_detection(url: str) -> None:
    async with desk(url) as talk:
        session = await configure(talk, transcription={"model": "gpt-realtime-whisper", "delay": "low"})
        assert session["audio"]["input"]["turn_detection"] is None
        assert session["audio"]["input"]["transcription"]["delay"] == "low"
        await talk.send(
            "session.update",
            session={"type": "transcription", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}},
        )
        refused = (await talk.until("error"))["error"]
        assert refused["param"] == "session.audio.input.turn_detection"


async def test_everything_that_can_be_set_is_echoed(url: str) -> None:
    async with desk(url) as talk:
        asked = {
            "model": "gpt-4o-mini-transcribe",
            "language": "en",
            "prompt": "A call about the order A1001.",
        }
        include = ["item.input_audio_transcription.logprobs"]
        heard = {"transcription": asked, "noise_reduction": {"type": "far_field"}}
        await talk.send(
            "session.update", session={"type": "transcription", "include": include, "audio": {"input": heard}}
        )
        session = (await talk.until("session.updated"))["session"]
        assert session["include"] == include
        assert session["audio"]["input"]["transcription"] == asked
        assert session["audio"]["input"]["noise_reduction"] == {"type": "far_field", "strength": 1.0}
        await send(talk, hum(600) + bytes(48 * 600))
        completed = await talk.until(COMPLETED)
        # The recogniser has none; the field is optional.
        assert "logprobs" not in completed
        assert completed["usage"]["input_token_details"]["text_tokens"] > 0
        named = await configure(
            talk, transcription={"model": "gpt-transcribe", "languages": ["en", "de"], "keywords": ["A1001"]}
        )
        assert named["audio"]["input"]["transcription"]["keywords"] == ["A1001"]


@pytest.mark.parametrize("wire", FORMATS)
async def test_every_input_format(url: str, wire: str) -> None:
    """What was sent is what the item holds, to the byte, and positions count its time."""
    form = {"type": wire, "rate": 24_000} if wire == "audio/pcm" else {"type": wire}
    async with desk(url, format=form) as talk:
        await send(talk, hum(800) + bytes(48 * 600), wire)
        completed = await talk.until(COMPLETED)
        assert completed["transcript"] == WORDS
        started = talk.of_type("input_audio_buffer.speech_started")[0]["audio_start_ms"]
        stopped = talk.of_type("input_audio_buffer.speech_stopped")[0]["audio_end_ms"]
        # At another rate the end of the hum rings on into the next frame.
        assert started == 0
        assert stopped in (1300, 1320)
        await talk.send("conversation.item.retrieve", item_id=completed["item_id"])
        part = (await talk.until("conversation.item.retrieved"))["item"]["content"][0]
        assert part["type"] == "input_audio"
        kept = decode_audio(part["audio"], wire)
        assert (kept.ticks // 48, kept.rate_hz) == (stopped, 24_000 if wire == "audio/pcm" else 8_000)


async def test_silence_is_transcribed_as_nothing(url: str) -> None:
    async with desk(url, turn_detection=None) as talk:
        await send(talk, bytes(48 * 500))
        await talk.send("input_audio_buffer.commit")
        completed = await talk.until(COMPLETED)
        assert completed["transcript"] == ""
        assert talk.of_type(DELTA) == []


async def test_nobody_is_answered(url: str) -> None:
    async with desk(url, turn_detection={"type": "server_vad", "create_response": True}) as talk:
        await talk.send("response.create", event_id="mine")
        refused = (await talk.until("error"))["error"]
        assert (refused["type"], refused["event_id"]) == ("invalid_request_error", "mine")
        await send(talk, hum(600) + bytes(48 * 600))
        await talk.until(COMPLETED)
        assert not [kind for kind in talk.types() if kind.startswith("response.")]


async def test_the_end_of_a_stream_as_voice_pipelines_make_it(url: str) -> None:
    """A commit of nothing is told by its code and the client's id, a clear is confirmed (protocol reference 4.13)."""
    async with desk(url) as talk:
        await send(talk, hum(600) + bytes(48 * 540))
        await talk.send("input_audio_buffer.commit", event_id="the-end")
        await talk.send("input_audio_buffer.clear")
        refused = (await talk.until("error"))["error"]
        assert (refused["code"], refused["event_id"]) == ("input_audio_buffer_commit_empty", "the-end")
        await talk.until("input_audio_buffer.cleared")
        committed = {event["item_id"] for event in talk.of_type("input_audio_buffer.committed")}
        assert committed == {event["item_id"] for event in talk.of_type(COMPLETED)}


async def test_a_conversation_is_no_transcription_session(url: str) -> None:
    async with raw_client(url, "model=gpt-4o-transcribe") as talk:
        await talk.send("session.update", session={"type": "transcription"})
        refused = (await talk.until("error"))["error"]
        assert refused["code"] == "invalid_parameter"
        assert refused["message"] == (
            "Passing a transcription session update event to a realtime session is not allowed."
        )


async def test_the_beta_client_and_its_own_events(url: str) -> None:
    """Its library has words of its own for these sessions: `transcription_session.created`, `.update` and `.updated`."""
    base = url.replace("http", "ws", 1) + "/v1"
    async with (
        AsyncOpenAI(base_url=f"{url}/v1", websocket_base_url=base, api_key="local") as client,
        client.beta.realtime.connect(
            model="gpt-4o-transcribe", extra_query={"intent": "transcription"}
        ) as connection,
    ):
        created = json.loads(await connection.recv_bytes())
        assert created["type"] == "transcription_session.created"
        assert created["session"]["input_audio_transcription"]["model"] == "gpt-4o-transcribe"
        await connection.transcription_session.update(
            session={
                "input_audio_format": "g711_ulaw",
                "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": "orders"},
                "input_audio_noise_reduction": {"type": "near_field"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
                "include": ["item.input_audio_transcription.logprobs"],
            }
        )
        updated = await connection.recv()
        assert isinstance(updated, TranscriptionSessionUpdatedEvent)
        assert updated.session.input_audio_format == "g711_ulaw"
        assert updated.session.turn_detection is not None
        assert updated.session.turn_detection.silence_duration_ms == 200
        for piece in pieces(hum(600) + bytes(48 * 400), "audio/pcmu"):
            await connection.input_audio_buffer.append(audio=piece)
        kinds: list[str] = []
        while not kinds or kinds[-1] != COMPLETED:
            event = await connection.recv()
            kinds.append(event.type)
        assert isinstance(event, ConversationItemInputAudioTranscriptionCompletedEvent)
        assert event.transcript == WORDS
        assert kinds == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.created",
            DELTA,
            COMPLETED,
        ]
