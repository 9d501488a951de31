"""Every event of the server, as a strict client sees it."""

import json
from typing import Annotated, Any, get_args

import msgspec
import pydantic
import pytest
from openai.types import realtime as sdk
from pydantic import TypeAdapter

from tests.protocol.samples import FULL_SESSION, ITEMS, PLAIN_SESSION, server_events
from vivavoce.protocol.encode import encode_server_event, to_plain
from vivavoce.protocol.server_events import SERVER_EVENT_TYPES, ServerEvent, SessionUpdated, event_type

# openai-agents validates every frame with exactly this adapter and reports a failure as an error of the
# session.
STRICT: TypeAdapter[Any] = TypeAdapter(
    Annotated[sdk.RealtimeServerEvent, pydantic.Field(discriminator="type")]
)
SDK_MODELS = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(sdk.RealtimeServerEvent)[0])
}
EXTRA_FIELDS = {"input_audio_buffer.dtmf_event_received": {"event_id"}}


def _name(event: ServerEvent) -> str:
    return event_type(event)


def wire(event: ServerEvent) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(encode_server_event(event))
    return plain


def test_the_events_are_those_of_the_sdk() -> None:
    assert set(SERVER_EVENT_TYPES) == set(SDK_MODELS)
    assert len(SERVER_EVENT_TYPES) == 46


def test_there_is_a_sample_of_every_event() -> None:
    assert {event_type(event) for event in server_events()} == set(SERVER_EVENT_TYPES)


@pytest.mark.parametrize("event", server_events(), ids=_name)
def test_a_strict_client_accepts_it_and_reads_the_same(event: ServerEvent) -> None:
    sent = wire(event)
    read = STRICT.validate_python(sent)
    assert read.type == sent["type"]
    assert read.model_dump(mode="json", exclude_unset=True, warnings="none") == sent


@pytest.mark.parametrize("name", sorted(SERVER_EVENT_TYPES))
def test_field_names_are_the_protocols(name: str) -> None:
    ours = {field.encode_name for field in msgspec.structs.fields(SERVER_EVENT_TYPES[name])}
    theirs = set(SDK_MODELS[name].model_fields) - {"type"}
    assert ours - theirs == EXTRA_FIELDS.get(name, set())
    # `obfuscation` pads text deltas against traffic analysis; a local server has no need of it.
    assert theirs - ours <= {"obfuscation"}
    assert "event_id" in ours


@pytest.mark.parametrize("spoilt", ["event_id", "content_index", "item_id"])
def test_the_strict_client_is_strict(spoilt: str) -> None:
    delta = wire(
        next(event for event in server_events() if event_type(event) == "response.output_text.delta")
    )
    del delta[spoilt]
    with pytest.raises(pydantic.ValidationError):
        STRICT.validate_python(delta)


def test_nulls_are_sent_and_absent_fields_are_not() -> None:
    session = wire(SessionUpdated(event_id="event_1", session=PLAIN_SESSION))["session"]
    for key in ("tracing", "prompt", "include"):
        assert session[key] is None
    for key in ("reasoning", "parallel_tool_calls", "vivavoce"):
        assert key not in session
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    formats = wire(SessionUpdated(event_id="event_1", session=FULL_SESSION))["session"]["audio"]
    assert formats["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


def test_a_tools_credentials_never_leave() -> None:
    event = SessionUpdated(event_id="event_1", session=FULL_SESSION)
    assert b"do-not-tell" not in encode_server_event(event)
    assert "do-not-tell" not in str(to_plain(event))
    assert "do-not-tell" not in repr(event)
    mcp = wire(event)["session"]["tools"][2]
    assert mcp["authorization"] is None
    assert mcp["headers"] is None


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_every_item_says_what_it_is(item: Any) -> None:
    plain = json.loads(msgspec.json.encode(item))
    assert plain["object"] == "realtime.item"
    assert plain["id"] == item.id
