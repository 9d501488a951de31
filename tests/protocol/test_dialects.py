"""The beta dialect, against the beta types of the SDK and against itself."""

import json
from typing import Annotated, Any, get_args

import pydantic
import pytest
from openai.types.beta import realtime as sdk_beta
from pydantic import TypeAdapter

from tests.protocol.samples import (
    FULL_SESSION,
    PLAIN_SESSION,
    RESPONSES,
    TRANSCRIPTION_SESSION,
    server_events,
)
from vivavoce.protocol import client_events as ce
from vivavoce.protocol import server_events as ev
from vivavoce.protocol.decode import decode_client_event
from vivavoce.protocol.dialects import BETA, GA, choose_dialect
from vivavoce.protocol.encode import encode_server_event
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.items import InputText, MessageItem, OutputText
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.protocol.session_objects import SemanticVad, ServerVad
from vivavoce.protocol.sessions import merge_session, override_response

STRICT: TypeAdapter[Any] = TypeAdapter(
    Annotated[sdk_beta.RealtimeServerEvent, pydantic.Field(discriminator="type")]
)
BETA_TYPES = {
    get_args(model.model_fields["type"].annotation)[0]
    for model in get_args(get_args(sdk_beta.RealtimeServerEvent)[0])
}
# Sent where a beta session opens as a transcription; the SDK knows only the event of its update.
BEYOND_THE_SDK = {"transcription_session.created"}


def beta(event: ev.ServerEvent) -> dict[str, Any] | None:
    frames = BETA.to_wire(event)
    if not frames:
        return None
    assert len(frames) == 1
    plain: dict[str, Any] = json.loads(frames[0])
    return plain


def read(frame: Any) -> ce.ClientEvent:
    return BETA.from_wire(json.dumps(frame))


# ----------------------------------------------------------------------------------------------------- choice


@pytest.mark.parametrize(
    ("header", "subprotocols", "expected"),
    [
        (None, [], GA),
        ("", ["realtime"], GA),
        ("assistants=v2", [], GA),
        ("realtime=v2", [], GA),
        ("realtime=v1", [], BETA),
        ("assistants=v2, Realtime=v1", [], BETA),
        (None, ["realtime", "openai-insecure-api-key.k", "openai-beta.realtime-v1"], BETA),
        (None, ["realtime", "openai-agents-sdk.1"], GA),
    ],
)
def test_only_the_token_chooses_beta(header: str | None, subprotocols: list[str], expected: Any) -> None:
    assert choose_dialect(header, subprotocols) is expected


def test_ga_is_the_identity() -> None:
    for event in server_events():
        assert GA.to_wire(event) == [encode_server_event(event)]
    frame = b'{"type":"response.cancel"}'
    assert GA.from_wire(frame) == decode_client_event(frame)


# --------------------------------------------------------------------------------------------------- outwards


def complaints(sent: dict[str, Any]) -> list[Any]:
    try:
        STRICT.validate_python(sent)
    except pydantic.ValidationError as error:
        return [*error.errors()]
    return []


def narrower_than_beta_was(complaint: Any) -> bool:
    """The SDK's beta types stopped growing: later models, forced tools, MCP tools and images are not in
    them. And they insist on a secret that only REST hands out (protocol reference 1.5: nullable)."""
    place, value = complaint["loc"], complaint["input"]
    return (
        place[-2:] in (("session", "model"), ("session", "client_secret"))
        or (place[-1] == "tool_choice" and isinstance(value, dict))
        or (place[-1] == "type" and value in ("mcp", "input_image"))
    )


@pytest.mark.parametrize("event", server_events(), ids=ev.event_type)
def test_a_strict_beta_client_accepts_what_it_gets(event: ev.ServerEvent) -> None:
    sent = beta(event)
    if sent is None or sent["type"] in BEYOND_THE_SDK:
        return
    assert [one for one in complaints(sent) if not narrower_than_beta_was(one)] == []


def test_every_event_of_beta_is_spoken_and_no_other() -> None:
    spoken = {sent["type"] for event in server_events() if (sent := beta(event))}
    update = beta(ev.SessionUpdated(event_id="e", session=TRANSCRIPTION_SESSION))
    assert update is not None
    assert spoken | {update["type"]} == BETA_TYPES | BEYOND_THE_SDK


def test_no_ga_word_is_left() -> None:
    for event in server_events():
        for frame in BETA.to_wire(event):
            for word in (
                b"output_text",
                b"output_audio.",
                b"output_modalities",
                b'"conversation.item.added"',
                b'"conversation.item.done"',
                b'"phase"',
            ):
                assert word not in frame


def test_a_session_is_flat() -> None:
    sent = beta(ev.SessionCreated(event_id="e", session=PLAIN_SESSION))
    assert sent is not None
    assert sent["session"] == {
        "object": "realtime.session",
        "id": "sess_1",
        "model": "gpt-realtime-2",
        "modalities": ["audio", "text"],
        "instructions": "",
        "voice": "marin",
        "speed": 1.0,
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": None,
        "input_audio_noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "idle_timeout_ms": None,
            "create_response": True,
            "interrupt_response": True,
        },
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "expires_at": 1_756_324_625,
    }


def test_a_response_is_flat() -> None:
    sent = beta(ev.ResponseDone(event_id="e", response=RESPONSES[1]))
    assert sent is not None
    response = sent["response"]
    assert response["modalities"] == ["audio", "text"]
    assert (response["voice"], response["output_audio_format"], response["temperature"]) == (
        "ash",
        "g711_ulaw",
        0.8,
    )
    assert {item["type"] for item in response["output"]} == {
        "message",
        "function_call",
        "function_call_output",
    }
    assert [part["type"] for part in response["output"][2]["content"]] == ["text", "audio", "audio"]
    assert "audio" not in response


def test_an_errors_param_is_named_as_the_client_named_it() -> None:
    detail = ErrorDetail(
        type="invalid_request_error",
        code="invalid_value",
        message="Invalid value for 'session.audio.input.turn_detection.threshold': no",
        param="session.audio.input.turn_detection.threshold",
        event_id="c",
    )
    sent = beta(ev.ErrorEvent(event_id="e", error=detail))
    assert sent is not None
    assert sent["error"]["param"] == "session.turn_detection.threshold"
    assert sent["error"]["message"] == "Invalid value for 'session.turn_detection.threshold': no"


# ---------------------------------------------------------------------------------------------------- inwards

FLAT = {
    "modalities": ["text", "audio"],
    "instructions": "x",
    "voice": "ash",
    "speed": 1.2,
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "g711_alaw",
    "input_audio_transcription": {"model": "whisper-1"},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": {"threshold": 0.7},
    "tools": [{"type": "function", "name": "f"}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "temperature": 0.6,
    "max_response_output_tokens": 99,
}


def test_a_flat_update_becomes_the_nested_one() -> None:
    event = read({"type": "session.update", "event_id": "e", "session": FLAT})
    assert event == ce.SessionUpdate(
        event_id="e",
        session={
            "type": "realtime",
            "instructions": "x",
            "output_modalities": ["audio"],
            "max_output_tokens": 99,
            "tools": [{"type": "function", "name": "f"}],
            "tool_choice": {"type": "function", "name": "f"},
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {"model": "whisper-1"},
                    "noise_reduction": {"type": "near_field"},
                    "turn_detection": {"type": "server_vad", "threshold": 0.7},
                },
                "output": {"format": {"type": "audio/pcma"}, "voice": "ash", "speed": 1.2},
            },
        },
    )


def test_what_was_set_comes_back_in_the_same_words() -> None:
    event = read({"type": "session.update", "session": FLAT})
    assert isinstance(event, ce.SessionUpdate)
    session = merge_session(PLAIN_SESSION, event.session, silence_duration_ms=500, spoken=False)
    sent = beta(ev.SessionUpdated(event_id="e", session=session))
    assert sent is not None
    for key in set(FLAT) - {"modalities", "temperature", "turn_detection", "input_audio_noise_reduction"}:
        assert sent["session"][key] == FLAT[key], key
    assert sorted(sent["session"]["modalities"]) == ["audio", "text"]
    assert sent["session"]["turn_detection"]["threshold"] == 0.7


@pytest.mark.parametrize("session", [PLAIN_SESSION, FULL_SESSION], ids=["plain", "full"])
def test_an_echo_can_be_sent_back(session: Any) -> None:
    sent = beta(ev.SessionUpdated(event_id="e", session=session))
    assert sent is not None
    event = read({"type": "session.update", "session": sent["session"]})
    assert isinstance(event, ce.SessionUpdate)
    again = merge_session(session, event.session, silence_duration_ms=500, spoken=True)
    assert again.audio == session.audio
    assert again.output_modalities == session.output_modalities
    assert again.tool_choice == session.tool_choice


def test_null_turns_detection_off_and_absence_leaves_it() -> None:
    off = read({"type": "session.update", "session": {"turn_detection": None}})
    assert isinstance(off, ce.SessionUpdate)
    assert merge_session(PLAIN_SESSION, off.session, silence_duration_ms=500, spoken=False).audio.input == (
        type(PLAIN_SESSION.audio.input)(turn_detection=None)
    )
    kept = read({"type": "session.update", "session": {"voice": "ash"}})
    assert isinstance(kept, ce.SessionUpdate)
    merged = merge_session(FULL_SESSION, kept.session, silence_duration_ms=500, spoken=False)
    assert isinstance(merged.audio.input.turn_detection, SemanticVad)
    assert isinstance(PLAIN_SESSION.audio.input.turn_detection, ServerVad)


def test_a_transcription_update() -> None:
    session = {"input_audio_format": "pcm16", "input_audio_transcription": {"model": "whisper-1"}}
    event = read({"type": "transcription_session.update", "event_id": "e", "session": session})
    assert event == ce.SessionUpdate(
        event_id="e",
        session={
            "type": "transcription",
            "audio": {"input": {"format": {"type": "audio/pcm"}, "transcription": {"model": "whisper-1"}}},
        },
    )


def test_a_response_with_its_own_settings() -> None:
    given = {
        "modalities": ["text"],
        "voice": "ash",
        "output_audio_format": "pcm16",
        "max_response_output_tokens": 7,
        "temperature": 1,
        "conversation": "none",
        "input": [
            {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "so"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "and"}]},
        ],
    }
    event = read({"type": "response.create", "response": given})
    assert isinstance(event, ce.ResponseCreate)
    config = override_response(PLAIN_SESSION, event.response)
    assert (config.output_modalities, config.voice, config.max_output_tokens) == (["text"], "ash", 7)
    assert config.input == [
        MessageItem(role="assistant", content=[OutputText(text="so")]),
        MessageItem(role="user", content=[InputText(text="and")]),
    ]


def test_a_bare_response_create() -> None:
    assert read({"type": "response.create"}) == ce.ResponseCreate()


@pytest.mark.parametrize(
    ("role", "part", "expected"),
    [
        ("assistant", {"type": "text", "text": "so"}, OutputText(text="so")),
        ("user", {"type": "text", "text": "so"}, InputText(text="so")),
        ("user", {"type": "input_text", "text": "so"}, InputText(text="so")),
        ("assistant", {"type": "output_text", "text": "so"}, OutputText(text="so")),
    ],
)
def test_content_types(role: str, part: dict[str, Any], expected: Any) -> None:
    event = read(
        {"type": "conversation.item.create", "item": {"type": "message", "role": role, "content": [part]}}
    )
    assert isinstance(event, ce.ConversationItemCreate)
    assert isinstance(event.item, MessageItem)
    assert event.item.content == [expected]


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "session.update", "session": {"temperature": 2}}, "invalid_value", "session.temperature"),
        (
            {"type": "session.update", "session": {"temperature": "hot"}},
            "invalid_type",
            "session.temperature",
        ),
        (
            {"type": "session.update", "session": {"input_audio_format": "mp3"}},
            "invalid_value",
            "session.input_audio_format",
        ),
        (
            {"type": "session.update", "session": {"output_audio_format": 1}},
            "invalid_type",
            "session.output_audio_format",
        ),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": 1}, "invalid_type", "session"),
        (
            {"type": "response.create", "response": {"temperature": 0.1}},
            "invalid_value",
            "response.temperature",
        ),
        ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
        ({"type": "invented"}, "invalid_value", "type"),
    ],
)
def test_mistakes_are_named_in_beta_words(event: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(ClientError) as caught:
        read(event | {"event_id": "e"})
    assert (caught.value.code, caught.value.param, caught.value.event_id) == (code, param, "e")


def test_an_event_that_this_version_does_not_know_is_none_of_the_beta_dialect() -> None:
    foreign = ev.ForeignEvent(type="response.hologram.delta")
    assert BETA.to_wire(foreign) == []
