"""Every client event has a handler; whatever goes wrong in one is told and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.session.rig import CLIENT, Rig, clip
from vivavoce.protocol.client_events import CLIENT_EVENT_TYPES
from vivavoce.session.effects import Generate, Hangup, Hear, Send, Speak
from vivavoce.session.session import HANDLERS
from vivavoce.session.signals import ClauseSpoken, TextDelta, TranscriptFailed, TranscriptFinished


def test_the_table_holds_every_client_event() -> None:
    assert set(HANDLERS) == set(CLIENT_EVENT_TYPES.values())
    assert len(HANDLERS) == 11


def test_append_by_its_handler_is_heard() -> None:
    rig = Rig()
    rig.send("input_audio_buffer.append", audio="AAAAAA==")
    (hear,) = rig.of(Hear)
    assert hear.frame.clip.pcm == bytes(4)
    assert rig.events[1:] == []


@pytest.mark.parametrize("wire", ["audio/pcmu", "audio/pcma"])
def test_g711_is_read_at_8_khz(wire: str) -> None:
    rig = Rig()
    rig.send("session.update", session={"type": "realtime", "audio": {"input": {"format": {"type": wire}}}})
    rig.send("input_audio_buffer.append", audio="AAAAAA==")
    (hear,) = rig.of(Hear)
    assert (hear.frame.clip.rate_hz, hear.frame.clip.samples) == (8000, 4)


def test_nothing_is_heard_of_no_audio() -> None:
    rig = Rig()
    rig.send("input_audio_buffer.append", audio="")
    assert rig.of(Hear) == []
    assert rig.codes == []


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("session.update", {"session": {"type": "realtime", "tools": 5}}, "invalid_type"),
    ("input_audio_buffer.append", {"audio": "AAA"}, "invalid_value"),
    ("input_audio_buffer.append", {"audio": "AAAA"}, "invalid_value"),
    ("input_audio_buffer.commit", {}, "input_audio_buffer_commit_empty"),
    ("output_audio_buffer.clear", {}, "invalid_value"),
    ("conversation.item.retrieve", {"item_id": "x"}, "item_retrieve_invalid_item_id"),
    (
        "conversation.item.truncate",
        {"item_id": "x", "content_index": 0, "audio_end_ms": 0},
        "item_truncate_invalid_item_id",
    ),
    ("conversation.item.delete", {"item_id": "x"}, "item_delete_invalid_item_id"),
    ("response.create", {"response": {"output_modalities": ["audio", "text"]}}, "invalid_value"),
    (
        "response.create",
        {"response": {"input": [{"type": "item_reference", "id": "x"}]}},
        "item_reference_invalid_item_id",
    ),
    ("response.cancel", {}, "response_cancel_not_active"),
]


@pytest.mark.parametrize(("name", "fields", "code"), BAD, ids=[f"{name} {code}" for name, _, code in BAD])
def test_a_mistake_is_one_error_to_its_source_and_changes_nothing(
    name: str, fields: dict[str, Any], code: str
) -> None:
    rig = Rig()
    rig.say("hello", id="one")
    before = (
        rig.machine.config,
        rig.machine.conversation.items(),
        rig.machine.next_deadline(),
        len(rig.effects),
    )
    rig.send(name, event_id="mine", **fields)
    assert rig.codes == [code]
    assert rig.events[-1]["error"]["event_id"] == "mine"
    sent = rig.effects[-1]
    assert isinstance(sent, Send)
    assert sent.to == CLIENT
    after = (
        rig.machine.config,
        rig.machine.conversation.items(),
        rig.machine.next_deadline(),
        len(rig.effects) - 1,
    )
    assert after == before
    rig.send("response.create")
    assert len(rig.of(Generate)) == 1


def test_only_the_first_connection_is_the_primary_one() -> None:
    rig = Rig()
    rig.machine.attach("second", 0)
    rig.machine.detached("second", 0)
    assert not [effect for effect in rig.machine.drain() if isinstance(effect, Hangup)]
    rig.machine.detached(CLIENT, 0)
    assert [effect for effect in rig.machine.drain() if isinstance(effect, Hangup)] == [
        Hangup(1000, "the primary connection was closed")
    ]


def test_signals_about_nothing_are_dropped() -> None:
    rig = Rig()
    count = len(rig.effects)
    rig.signal(TextDelta("gen_unknown", "hello"))
    rig.signal(TranscriptFinished("item_unknown", "hello"))
    rig.signal(TranscriptFailed("item_unknown", "x", "y"))
    assert len(rig.effects) == count


def test_a_clause_that_nobody_speaks_cannot_end() -> None:
    rig = Rig()
    rig.send("response.create")
    rig.signal(TextDelta(rig.generation, "One. "))
    rig.signal(TextDelta(rig.generation, "Two. "))
    rig.signal(ClauseSpoken(rig.generation, 7))
    assert [speak.text for speak in rig.of(Speak)] == ["One. "]
    rig.signal(ClauseSpoken(rig.generation, 0))
    assert [speak.text for speak in rig.of(Speak)] == ["One. ", "Two. "]


def test_a_failed_transcript_is_told_only_to_who_asked() -> None:
    rig = Rig()
    rig.hear(200, 1.0)
    rig.hear(500, 0.0)
    item_id = rig.of_type("input_audio_buffer.committed")[0]["item_id"]
    count = len(rig.events)
    rig.signal(TranscriptFailed(item_id, "x", "y"))
    assert len(rig.events) == count


def test_a_tick_before_its_time_does_nothing() -> None:
    rig = Rig(max_duration_s=10)
    due = rig.machine.next_deadline()
    assert due == 10_000
    rig.tick(due - 1)
    assert rig.of(Hangup) == []
    rig.tick(due)
    assert [effect.code for effect in rig.of(Hangup)] == [1001]
    assert rig.machine.next_deadline() is None


def test_a_frame_keeps_its_place_over_commit_and_clear() -> None:
    rig = Rig()
    rig.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    for verb in ("commit", "clear", "commit"):
        rig.machine.receive_audio(clip(100), 0)
        rig.machine.receive_audio(clip(100), 0)
        rig.send(f"input_audio_buffer.{verb}")
    starts = [effect.frame.start for effect in rig.of(Hear)]
    assert starts == [n * 4800 for n in range(6)]


def test_a_bare_response_create_has_no_unknown_fields() -> None:
    rig = Rig(refuse_unknown_fields=True)
    rig.send("response.create")
    rig.send("response.cancel")
    rig.send("response.create", response={"surprise": 1})
    assert rig.codes == ["unknown_parameter"]
    assert len(rig.of_type("response.created")) == 1
