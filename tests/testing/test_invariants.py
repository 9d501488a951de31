"""Each invariant catches what it is there for: a stream that holds is spoilt in one place, and no longer holds."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pydantic
import pytest

from tests.session.rig import Rig, clip
from vivavoce.audio.codec import encode_audio
from vivavoce.protocol.encode import to_plain
from vivavoce.protocol.server_events import ResponseOutputAudioDelta
from vivavoce.session.effects import Play, Send
from vivavoce.session.signals import (
    AudioOut,
    ClauseSpoken,
    ResponseFinished,
    TextDelta,
    ToolCall,
    TranscriptFinished,
)
from vivavoce.testing.invariants import Invariants
from vivavoce.testing.strict import read_frame

Event = dict[str, Any]
Stream = list[Event]


def stream() -> Stream:
    """A spoken turn that is answered with words and a call, a typed item, a truncation, a deletion."""
    rig = Rig()
    rig.hear(500, 1.0)
    rig.hear(500, 0.0)
    spoken = rig.of_type("input_audio_buffer.committed")[0]["item_id"]
    rig.signal(TranscriptFinished(spoken, "hello"))
    generation = rig.generation
    rig.signal(TextDelta(generation, "Good morning. "))
    for _ in range(5):
        rig.signal(AudioOut(generation, 0, clip(100)))
    rig.signal(ToolCall(generation, "look_up", "{}"))
    rig.signal(ClauseSpoken(generation, 0))
    rig.signal(ResponseFinished(generation))
    rig.say("typed", id="typed")
    answer = rig.of_type("response.output_item.added")[0]["item"]["id"]
    rig.send("conversation.item.truncate", item_id=answer, content_index=0, audio_end_ms=300)
    rig.send("conversation.item.delete", item_id="typed")
    return [plain for effect in rig.effects if (plain := _plain(effect)) is not None]


def _plain(effect: object) -> Event | None:
    if isinstance(effect, Send):
        return to_plain(effect.event)
    if isinstance(effect, Play):
        part = effect.part
        where = {"response_id": part.response_id, "item_id": part.item_id}
        return to_plain(
            ResponseOutputAudioDelta(
                event_id=effect.event_id,
                **where,
                output_index=part.output_index,
                content_index=part.content_index,
                delta=encode_audio(effect.clip, effect.wire_format),
            )
        )
    return None


def feed(events: Stream) -> None:
    checker = Invariants()
    for event in events:
        checker.feed(event)
    checker.finish()


def first(events: Stream, kind: str) -> Event:
    return next(event for event in events if event["type"] == kind)


def drop(kind: str) -> Callable[[Stream], None]:
    return lambda events: events.remove(first(events, kind))


def twice(kind: str) -> Callable[[Stream], None]:
    def spoil(events: Stream) -> None:
        event = first(events, kind)
        events.insert(events.index(event) + 1, event | {"event_id": "event_other"})

    return spoil


def change(kind: str, path: str, value: Any) -> Callable[[Stream], None]:
    def spoil(events: Stream) -> None:
        *parents, last = path.split(".")
        where: Any = first(events, kind)
        for name in parents:
            where = where[int(name)] if isinstance(where, list) else where[name]
        where[last] = value

    return spoil


def swap(one: str, other: str) -> Callable[[Stream], None]:
    def spoil(events: Stream) -> None:
        a, b = events.index(first(events, one)), events.index(first(events, other))
        events[a], events[b] = events[b], events[a]

    return spoil


def together(*spoils: Callable[[Stream], None]) -> Callable[[Stream], None]:
    def spoil(events: Stream) -> None:
        for one in spoils:
            one(events)

    return spoil


R, A = "response", "input_audio_buffer"
SPOILT: dict[str, Callable[[Stream], None]] = {
    "session.created comes first": drop("session.created"),
    "event ids are unique": change(f"{R}.done", "event_id", None),
    "rate_limits.updated follows response.done": drop("rate_limits.updated"),
    "every response is done": lambda events: events.__delitem__(
        slice(events.index(first(events, f"{R}.done")), None)
    ),
    "a response is created once": twice(f"{R}.created"),
    "a new response is empty and in progress": change(f"{R}.created", "response.status", "completed"),
    "response.done ends a live response, once": drop(f"{R}.created"),
    "every item of a response is done before the response": swap(f"{R}.done", f"{R}.output_item.done"),
    "response.done lists the items as they were done": change(f"{R}.done", "response.output", []),
    "a response that is done is not in progress": change(f"{R}.done", "response.status", "in_progress"),
    "status_details explain": change(f"{R}.done", "response.status", "failed"),
    "total tokens add up": change(f"{R}.done", "response.usage.total_tokens", 1),
    "input tokens add up": change(f"{R}.done", "response.usage.input_token_details.text_tokens", 999),
    "cached tokens": change(f"{R}.done", "response.usage.input_token_details.cached_tokens", 5),
    "audio tokens are the length": drop(f"{R}.output_audio.delta"),
    "output_index counts": change(f"{R}.output_item.added", "output_index", 1),
    "an item begins in progress": change(f"{R}.output_item.added", "item.status", "completed"),
    "an item begins empty": change(
        f"{R}.output_item.added", "item.content", [{"type": "output_text", "text": "x"}]
    ),
    "one item is open at a time": twice(f"{R}.output_item.added"),
    "names the open item": change(f"{R}.content_part.added", "item_id", "item_other"),
    "a content part begins empty": change(f"{R}.content_part.added", "part.transcript", "x"),
    "a message has one content part": change(f"{R}.content_part.added", "content_index", 1),
    "belongs to an open content part": drop(f"{R}.content_part.added"),
    "every content part is done before its item": drop(f"{R}.content_part.done"),
    "every delta has its done (text)": drop(f"{R}.output_audio_transcript.done"),
    "every delta has its done (audio)": drop(f"{R}.output_audio.done"),
    "audio is done once": twice(f"{R}.output_audio.done"),
    "deltas joined are the text": change(f"{R}.output_audio_transcript.delta", "delta", "Good night. "),
    "a part is done with what was sent": change(f"{R}.content_part.done", "part.transcript", "x"),
    "an item says what was sent of it": together(
        change(f"{R}.output_item.done", "item.content.0.transcript", "x"),
        change(f"{R}.done", "response.output.0.content.0.transcript", "x"),
    ),
    "whole samples": change(f"{R}.output_audio.delta", "delta", "AAAA"),
    "at most 100 ms": change(f"{R}.output_audio.delta", "delta", "AAAA" * 2000),
    "the transcript comes before the sound": swap(
        f"{R}.output_audio_transcript.delta", f"{R}.output_audio.delta"
    ),
    "deltas joined are the arguments": change(f"{R}.function_call_arguments.delta", "delta", "[]"),
    "arguments belong to an open call": twice(f"{R}.function_call_arguments.done"),
    "an item has its arguments": drop(f"{R}.function_call_arguments.done"),
    "an item that is done is not in progress": change(f"{R}.output_item.done", "item.status", "in_progress"),
    "speech starts after it has stopped": twice(f"{A}.speech_started"),
    "speech stops after it has started": drop(f"{A}.speech_started"),
    "speech stops under the same id": change(f"{A}.speech_stopped", "item_id", "item_other"),
    "speech ends after it has begun": change(f"{A}.speech_stopped", "audio_end_ms", 0),
    "committed under the same id": change(f"{A}.committed", "item_id", "item_other"),
    "committed behind the last item": change(f"{A}.committed", "previous_item_id", "item_other"),
    "added once": twice("conversation.item.added"),
    "done once": twice("conversation.item.done"),
    "every item is done": drop("conversation.item.done"),
    "the predecessor exists": change("conversation.item.added", "previous_item_id", "item_other"),
    "truncated within what was sent": change("conversation.item.truncated", "audio_end_ms", 501),
    "truncated and there": change("conversation.item.truncated", "item_id", "item_other"),
    "deleted once": twice("conversation.item.deleted"),
}


def test_a_whole_stream_holds() -> None:
    events = stream()
    feed(events)
    assert {event["type"] for event in events} >= {
        "response.output_audio.delta",
        "response.function_call_arguments.done",
        "conversation.item.truncated",
    }


@pytest.mark.parametrize("rule", SPOILT)
def test_a_spoilt_stream_does_not(rule: str) -> None:
    events = copy.deepcopy(stream())
    SPOILT[rule](events)
    if rule == "event ids are unique":
        events[-1]["event_id"] = events[0]["event_id"]
    with pytest.raises(AssertionError):
        feed(events)


def test_a_strict_reader_is_strict() -> None:
    assert read_frame('{"type": "input_audio_buffer.cleared", "event_id": "e"}')["event_id"] == "e"
    for frame in ('{"type": "input_audio_buffer.cleared"}', '{"type": "new.event", "event_id": "e"}'):
        with pytest.raises(pydantic.ValidationError):
            read_frame(frame)
