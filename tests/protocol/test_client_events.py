"""What openai-python sends, read by us."""

import json
from collections.abc import Callable
from typing import Any, cast, get_args

import pytest
from openai.resources.realtime.realtime import RealtimeConnection
from openai.types import realtime as sdk

from vivavoce.protocol import client_events as ce
from vivavoce.protocol.client_events import CLIENT_EVENT_TYPES, ClientEvent
from vivavoce.protocol.decode import decode_client_event
from vivavoce.protocol.items import FunctionCallOutputItem, InputAudio, InputText, MessageItem


class _Wire:
    """Takes the place of the socket below openai-python's own connection class and keeps what it is told to
    send."""

    def __init__(self) -> None:
        self.frames: list[str] = []

    def send(self, frame: str) -> None:
        self.frames.append(frame)


def sent_by_openai_python(say: Callable[[RealtimeConnection], None]) -> ClientEvent:
    wire = _Wire()
    say(RealtimeConnection(cast(Any, wire)))
    assert len(wire.frames) == 1
    return decode_client_event(wire.frames[0])


MESSAGE: Any = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "hi"}, {"type": "input_audio", "audio": "AAAA"}],
}
SAID: list[tuple[Callable[[RealtimeConnection], None], ClientEvent]] = [
    (
        lambda c: c.session.update(session={"type": "realtime", "instructions": "x"}),
        ce.SessionUpdate(session={"type": "realtime", "instructions": "x"}),
    ),
    (lambda c: c.input_audio_buffer.append(audio="AAAA"), ce.InputAudioBufferAppend(audio="AAAA")),
    (lambda c: c.input_audio_buffer.commit(event_id="e1"), ce.InputAudioBufferCommit(event_id="e1")),
    (lambda c: c.input_audio_buffer.clear(), ce.InputAudioBufferClear()),
    (lambda c: c.output_audio_buffer.clear(), ce.OutputAudioBufferClear()),
    (
        lambda c: c.conversation.item.create(item=MESSAGE, previous_item_id="root"),
        ce.ConversationItemCreate(
            previous_item_id="root",
            item=MessageItem(role="user", content=[InputText(text="hi"), InputAudio(audio="AAAA")]),
        ),
    ),
    (
        lambda c: c.conversation.item.create(
            item={"type": "function_call_output", "call_id": "call_1", "output": "{}"}
        ),
        ce.ConversationItemCreate(item=FunctionCallOutputItem(call_id="call_1", output="{}")),
    ),
    (lambda c: c.conversation.item.retrieve(item_id="item_1"), ce.ConversationItemRetrieve(item_id="item_1")),
    (
        lambda c: c.conversation.item.truncate(item_id="item_1", content_index=0, audio_end_ms=1234),
        ce.ConversationItemTruncate(item_id="item_1", content_index=0, audio_end_ms=1234),
    ),
    (lambda c: c.conversation.item.delete(item_id="item_1"), ce.ConversationItemDelete(item_id="item_1")),
    (lambda c: c.response.create(), ce.ResponseCreate()),
    (
        lambda c: c.response.create(response={"conversation": "none", "metadata": {"a": "b"}}),
        ce.ResponseCreate(response={"conversation": "none", "metadata": {"a": "b"}}),
    ),
    (lambda c: c.response.cancel(response_id="resp_1"), ce.ResponseCancel(response_id="resp_1")),
]


@pytest.mark.parametrize(("say", "expected"), SAID, ids=[type(event).__name__ for _, event in SAID])
def test_openai_python_is_understood(
    say: Callable[[RealtimeConnection], None], expected: ClientEvent
) -> None:
    assert sent_by_openai_python(say) == expected


def test_every_event_is_among_them() -> None:
    assert {type(event) for _, event in SAID} == set(CLIENT_EVENT_TYPES.values())


def test_the_events_are_those_of_the_sdk() -> None:
    models = get_args(get_args(sdk.RealtimeClientEvent)[0])
    assert set(CLIENT_EVENT_TYPES) == {get_args(model.model_fields["type"].annotation)[0] for model in models}
    assert len(CLIENT_EVENT_TYPES) == 11


@pytest.mark.parametrize("shape", [str, str.encode, lambda text: memoryview(text.encode())])
def test_frames_may_be_text_or_bytes(shape: Callable[[str], Any]) -> None:
    assert decode_client_event(shape('{"type":"response.create"}')) == ce.ResponseCreate()


def test_null_counts_as_absent_where_something_is_optional() -> None:
    item = {
        "id": None,
        "object": None,
        "status": None,
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_audio", "audio": None, "transcript": "so"}],
    }
    event = {"type": "conversation.item.create", "event_id": None, "previous_item_id": None, "item": item}
    decoded = decode_client_event(json.dumps(event))
    assert isinstance(decoded, ce.ConversationItemCreate)
    assert isinstance(decoded.item, MessageItem)
    assert decoded.item.id == ""


@pytest.mark.parametrize("text", [{"text": "so"}, {"transcript": "so"}, {"text": None, "transcript": "so"}])
def test_a_restored_assistant_text_may_come_as_a_transcript(text: dict[str, Any]) -> None:
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", **text}]}
    decoded = decode_client_event(json.dumps({"type": "conversation.item.create", "item": item}))
    assert isinstance(decoded, ce.ConversationItemCreate)
    assert json.loads(json.dumps(item))["content"][0]["type"] == "output_text"
    assert decoded.item.content[0].text == "so"  # type: ignore[union-attr]


def test_unknown_leaves_are_ignored() -> None:
    frame = '{"type":"response.cancel","invented":{"a":[1]},"response_id":"resp_1"}'
    assert decode_client_event(frame) == ce.ResponseCancel(response_id="resp_1")


def test_whole_numbers_may_be_spelt_with_a_point() -> None:
    frame = '{"type":"conversation.item.truncate","item_id":"i","content_index":0.0,"audio_end_ms":400.0}'
    assert decode_client_event(frame) == ce.ConversationItemTruncate(
        item_id="i", content_index=0, audio_end_ms=400
    )


def test_a_function_call_may_lack_its_call_id() -> None:
    item = {"type": "function_call", "name": "f", "arguments": "{}"}
    decoded = decode_client_event(json.dumps({"type": "conversation.item.create", "item": item}))
    assert isinstance(decoded, ce.ConversationItemCreate)
    assert decoded.item.call_id == ""  # type: ignore[union-attr]
