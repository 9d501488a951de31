"""Beta programs over real sockets: openai-python's beta client, unmodified, and its bare words, every event in its place and shape."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pybase64
import pytest
import websockets
from openai import AsyncOpenAI
from openai.resources.beta.realtime.realtime import AsyncRealtimeConnection as BetaConnection

from tests.protocol.test_dialects import BEYOND_THE_SDK, complaints, narrower_than_beta_was
from tests.server.rig import ANSWER, TIMEOUT_S, Talk, raw_client, server, socket_url

ITEM = "conversation.item.created"
OPENS = ["response.created", "response.output_item.added", ITEM, "response.content_part.added"]
CLOSES = ["response.content_part.done", "response.output_item.done", "response.done", "rate_limits.updated"]
SPOKEN = ["response.audio.done", "response.audio_transcript.done", *CLOSES]
CALL = [
    "response.output_item.added",
    ITEM,
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
]
TOOL = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}
FLAT: dict[str, Any] = {
    "modalities": ["text", "audio"],
    "instructions": "Be brief.",
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
    },
    "tools": [TOOL],
    "tool_choice": "auto",
    "temperature": 0.8,
    "max_response_output_tokens": "inf",
}


class BetaTalk(Talk):
    """A beta connection: each event is held against the SDK's own beta types, and read by the SDK where that is the client."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection, beta=True)
        self.connection = connection

    async def send_raw(self, frame: str | bytes) -> None:
        # The SDK's connection hands on what it is given.
        socket = (
            self.connection._connection if isinstance(self.connection, BetaConnection) else self.connection
        )
        await socket.send(frame)

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(TIMEOUT_S):
            if isinstance(self.connection, BetaConnection):
                frame = await self.connection.recv_bytes()
                assert self.connection.parse_event(frame).type == json.loads(frame)["type"]
            else:
                frame = await self.connection.recv()
        event: dict[str, Any] = json.loads(frame)
        wrong = [] if event["type"] in BEYOND_THE_SDK else complaints(event)
        assert [one for one in wrong if not narrower_than_beta_was(one)] == []
        self.events.append(event)
        return event


@contextlib.asynccontextmanager
async def beta_client(url: str, model: str = "gpt-4o-realtime-preview") -> AsyncIterator[BetaTalk]:
    """The beta half of openai-python. It dials TLS unless it is told the socket's address."""
    sockets = f"ws{url.removeprefix('http')}/v1"
    async with (
        AsyncOpenAI(base_url=f"{url}/v1", websocket_base_url=sockets, api_key="local") as client,
        client.beta.realtime.connect(
            model=model, websocket_connection_options={"max_queue": None}
        ) as connection,
    ):
        yield BetaTalk(connection)


@contextlib.asynccontextmanager
async def bare(
    url: str, query: str = "model=gpt-realtime-2", *offered: str, **headers: str
) -> AsyncIterator[BetaTalk]:
    """A bare socket with whatever headers and sub-protocols."""
    options: dict[str, Any] = {"subprotocols": list(offered)} if offered else {}
    async with websockets.connect(
        socket_url(url, query), additional_headers=headers, max_size=None, max_queue=None, **options
    ) as socket:
        yield BetaTalk(socket)


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async with server(tmp_path) as made:
        yield made


@pytest.fixture
async def talk(url: str) -> AsyncIterator[BetaTalk]:
    async with beta_client(url) as made:
        created = await made.next()
        assert (created["type"], created["session"]["object"]) == ("session.created", "realtime.session")
        # Flat, and without a type.
        assert "type" not in created["session"]
        assert "audio" not in created["session"]
        assert created["session"]["model"] == "gpt-4o-realtime-preview"
        yield made


async def test_a_flat_session_comes_back_as_it_was_set(talk: BetaTalk) -> None:
    await talk.connection.session.update(session=FLAT)
    session = (await talk.until("session.updated"))["session"]
    assert sorted(session.pop("modalities")) == ["audio", "text"]
    detection = session.pop("turn_detection")
    assert detection.items() >= FLAT["turn_detection"].items()
    assert {"create_response", "interrupt_response"} <= set(detection)
    wanted = {key: value for key, value in FLAT.items() if key not in ("modalities", "turn_detection")}
    assert {key: session[key] for key in wanted} == wanted


async def test_a_typed_turn_in_text(talk: BetaTalk) -> None:
    await talk.connection.session.update(session={"modalities": ["text"]})
    await talk.until("session.updated")
    await talk.say("hello")
    response = (await talk.until("response.done"))["response"]
    await talk.until("rate_limits.updated")
    middle = ["response.text.delta", "response.text.done"]
    assert talk.types()[2:] == [ITEM, *OPENS, *middle, *CLOSES]
    assert (response["modalities"], response["output"][0]["content"]) == (
        ["text"],
        [{"type": "text", "text": ANSWER}],
    )
    (asked,) = [event for event in talk.of_type(ITEM) if event["item"]["role"] == "user"]
    assert (asked["item"]["status"], asked["previous_item_id"]) == ("completed", None)
    (opened,) = [event for event in talk.of_type(ITEM) if event["item"]["role"] == "assistant"]
    assert (opened["item"]["status"], opened["item"]["content"]) == ("in_progress", [])
    assert opened["previous_item_id"] == asked["item"]["id"]


async def test_a_spoken_turn(talk: BetaTalk) -> None:
    await talk.connection.session.update(session=FLAT)
    await talk.until("session.updated")
    await talk.speak()
    response = (await talk.until("response.done"))["response"]
    await talk.until("rate_limits.updated")
    heard = "conversation.item.input_audio_transcription"
    types = [
        kind
        for kind in talk.types()[2:]
        if not kind.startswith(heard)
        and kind not in ("response.audio.delta", "response.audio_transcript.delta")
    ]
    assert types == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        ITEM,
        *OPENS,
        *SPOKEN,
    ]
    (part,) = talk.of_type("response.content_part.added")
    assert part["part"] == {"type": "audio", "transcript": ""}
    # Whole samples in each: an Int16Array of an odd number of bytes is an exception in the browser.
    sound = [pybase64.b64decode(event["delta"]) for event in talk.of_type("response.audio.delta")]
    assert sound
    assert not any(len(piece) % 2 for piece in sound)
    assert response["output"][0]["content"] == [{"type": "audio", "transcript": ANSWER}]
    assert (response["voice"], response["output_audio_format"]) == ("alloy", "pcm16")
    (words,) = talk.of_type(f"{heard}.completed")
    assert words["transcript"] == "hello there"


async def test_a_function_call_there_and_back(talk: BetaTalk) -> None:
    choice = {"type": "function", "function": {"name": "look_up"}}
    await talk.say("Where is my order?")
    response = (await talk.until("response.done"))["response"]
    await talk.until("rate_limits.updated")
    assert talk.types()[1:] == [ITEM, "response.created", *CALL, "response.done", "rate_limits.updated"]
    (call,) = response["output"]
    (told,) = talk.of_type("response.function_call_arguments.done")
    # Older types have no name here; handlers written under the beta's header read it all the same.
    assert (told["name"], told["call_id"], told["arguments"]) == (
        "look_up",
        call["call_id"],
        '{"order_id":"A1001"}',
    )
    await talk.connection.conversation.item.create(
        item={"type": "function_call_output", "call_id": call["call_id"], "output": "shipped"}
    )
    await talk.connection.response.create(response={"modalities": ["text"], "tool_choice": "none"})
    answered = (await talk.until("response.done"))["response"]
    assert answered["output"][0]["content"] == [{"type": "text", "text": "It is on its way."}]
    await talk.connection.session.update(session={"tools": [TOOL], "tool_choice": choice})
    assert (await talk.until("session.updated"))["session"]["tool_choice"] == choice


async def test_cancel_truncate_retrieve_delete(talk: BetaTalk) -> None:
    await talk.say("Tell me a story.")
    item_id = (await talk.until("response.audio.delta"))["item_id"]
    await talk.connection.response.cancel()
    response = (await talk.until("response.done"))["response"]
    assert (response["status"], response["status_details"]["reason"]) == ("cancelled", "client_cancelled")
    items = talk.connection.conversation.item
    await items.truncate(item_id=item_id, content_index=0, audio_end_ms=1300)
    await talk.until("conversation.item.truncated")
    await items.retrieve(item_id=item_id)
    shown = (await talk.until("conversation.item.retrieved"))["item"]
    assert [part["type"] for part in shown["content"]] == ["audio"]
    assert shown["content"][0]["transcript"] == "Once upon a time"
    await items.delete(item_id=item_id)
    await talk.until("conversation.item.deleted")
    await items.delete(item_id=item_id, event_id="late")
    error = (await talk.until("error"))["error"]
    assert (error["code"], error["event_id"]) == ("item_delete_invalid_item_id", "late")


async def test_history_and_responses_beside_it_in_the_betas_words(talk: BetaTalk) -> None:
    for role, kind in (("user", "input_text"), ("assistant", "text")):
        content: Any = [{"type": kind, "text": "so"}]
        await talk.connection.conversation.item.create(
            item={"type": "message", "role": role, "content": content}
        )
        assert (await talk.until(ITEM))["item"]["content"] == content
    aside: Any = {
        "conversation": "none",
        "modalities": ["text"],
        "metadata": {"topic": "mood"},
        "input": [{"type": "item_reference", "id": talk.events[-1]["item"]["id"]}],
    }
    await talk.connection.response.create(response=aside)
    response = (await talk.until("response.done"))["response"]
    assert (response["status"], response["metadata"]) == ("completed", {"topic": "mood"})
    assert ITEM not in talk.types()[3:]


async def test_mistakes_are_named_in_the_words_they_were_made_in(talk: BetaTalk) -> None:
    wrong: list[tuple[str, dict[str, Any], str, str]] = [
        ("session.update", {"session": {"speed": 9}}, "invalid_value", "session.speed"),
        (
            "session.update",
            {"session": {"turn_detection": {"type": "server_vad", "threshold": 2}}},
            "invalid_value",
            "session.turn_detection.threshold",
        ),
        (
            "session.update",
            {"session": {"input_audio_format": "mp3"}},
            "invalid_value",
            "session.input_audio_format",
        ),
        (
            "response.create",
            {"response": {"max_response_output_tokens": 0}},
            "invalid_value",
            "response.max_response_output_tokens",
        ),
    ]
    for type_, fields, code, param in wrong:
        await talk.send(type_, event_id=param, **fields)
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == (code, param, param)
        assert "audio.input" not in error["message"]


async def test_by_sub_protocol_with_a_secret_of_the_legacy_endpoint(url: str) -> None:
    """As pages did it: their own server makes a session, the page dials with its secret and names the dialect."""
    async with httpx.AsyncClient(base_url=url) as http:
        body = {"model": "gpt-4o-realtime-preview", "voice": "alloy", "instructions": "Translate."}
        made = (await http.post("/v1/realtime/sessions", json=body)).json()
    offered = [
        "realtime",
        f"openai-insecure-api-key.{made['client_secret']['value']}",
        "openai-beta.realtime-v1",
    ]
    async with bare(url, "model=gpt-4o-realtime-preview", *offered) as talk:
        created = (await talk.next())["session"]
        assert (created["instructions"], created["voice"]) == ("Translate.", "alloy")
        await talk.speak(silence_ms=0)
        await talk.until("input_audio_buffer.speech_started")
        # Sent without asking whether there is anything to cancel.
        await talk.send("response.cancel")
        assert (await talk.until("error"))["error"]["code"] == "response_cancel_not_active"
        await talk.speak(ms=0)
        assert (await talk.until("response.done"))["response"]["status"] == "completed"
        assert talk.of_type("response.audio.delta")


@pytest.mark.parametrize("announced", ["header", "sub-protocol"])
async def test_a_transcription_session(url: str, announced: str) -> None:
    offered = ["realtime", "openai-beta.realtime-v1"] if announced == "sub-protocol" else []
    headers = {"OpenAI-Beta": "realtime=v1"} if announced == "header" else {}
    async with bare(url, "intent=transcription", *offered, **headers) as talk:
        created = await talk.next()
        assert created["type"] == "transcription_session.created"
        assert created["session"]["object"] == "realtime.transcription_session"
        assert created["session"]["client_secret"] is None
        session = {
            "input_audio_format": "pcm16",
            "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
            "input_audio_noise_reduction": {"type": "near_field"},
        }
        await talk.send("transcription_session.update", session=session)
        updated = (await talk.until("transcription_session.updated"))["session"]
        assert updated["input_audio_format"] == "pcm16"
        assert updated["input_audio_transcription"] == session["input_audio_transcription"]
        await talk.speak()
        words = await talk.until("conversation.item.input_audio_transcription.completed")
        assert words["transcript"] == "hello there"
        assert ITEM in talk.types()
        await talk.send("transcription_session.update", session={"voice": "ash"}, event_id="mine")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == (
            "unknown_parameter",
            "session.voice",
            "mine",
        )
        await talk.send("response.create")
        assert (await talk.until("error"))["error"]["param"] == "type"


async def test_each_connection_speaks_its_own_dialect(url: str) -> None:
    async with bare(url, **{"OpenAI-Beta": "realtime=v1"}) as old:
        call_id = (await old.next())["session"]["vivavoce"]["call_id"]
        async with raw_client(url, f"call_id={call_id}") as new:
            assert "audio" in (await new.next())["session"]
            await new.say("hello")
            await new.until("response.done")
            await old.until("response.done")
            assert {"conversation.item.added", "response.output_audio.delta"} <= set(new.types())
            assert {ITEM, "response.audio.delta"} <= set(old.types())


@pytest.mark.parametrize("header", ["", "assistants=v2", "realtime=v2"])
async def test_a_flat_session_without_the_token_is_told_so(url: str, header: str) -> None:
    async with raw_client(url, headers={"OpenAI-Beta": header}) as talk:
        await talk.send("session.update", session=FLAT, event_id="mine")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == (
            "missing_required_parameter",
            "session.type",
            "mine",
        )
        await talk.send("session.update", session={"type": "realtime", **FLAT})
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["param"]) == ("unknown_parameter", "session.voice")
        await talk.send("transcription_session.update", session={}, event_id="ts")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "ts")
        assert error["message"].startswith("Invalid value: 'transcription_session.update'")
