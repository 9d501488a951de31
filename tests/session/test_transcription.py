"""The transcription session beyond docs/behaviours/transcription.md: its handlers, its life, and the words that are told early."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.session.rig import CLIENT, clip
from vivavoce.protocol.client_events import CLIENT_EVENT_TYPES
from vivavoce.protocol.decode import decode_client_event
from vivavoce.protocol.encode import encode_server_event
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.ids import IdSource
from vivavoce.protocol.transcription_sessions import DEFAULT_MODEL, family_of, opening_transcription
from vivavoce.session.effects import Configure, Effect, Generate, Hangup, Hear, Send
from vivavoce.session.options import SessionOptions
from vivavoce.session.signals import SpeechProbability, TextDelta, TranscriptFinished, TranscriptPartial
from vivavoce.session.stable_prefix import StablePrefix
from vivavoce.session.transcription import HANDLERS, TranscriptionSession
from vivavoce.testing.strict import read_frame


class Desk:
    """A transcription session in hand."""

    def __init__(self, model: str = DEFAULT_MODEL) -> None:
        opening = opening_transcription("sess_1", model, 3600, 500)
        self.machine = TranscriptionSession(opening, IdSource("desk").new, SessionOptions(), 0)
        self.effects: list[Effect] = []
        self.machine.attach(CLIENT, 0)
        self.drain()

    def send(self, type_: str, **fields: Any) -> None:
        try:
            self.machine.receive(decode_client_event(json.dumps({"type": type_, **fields})), CLIENT, 0)
        except ClientError as error:
            self.machine.refuse(error, CLIENT)
        self.drain()

    def drain(self) -> None:
        self.effects += self.machine.drain()

    @property
    def events(self) -> list[dict[str, Any]]:
        sent = [effect.event for effect in self.effects if isinstance(effect, Send)]
        return [read_frame(encode_server_event(event)) for event in sent]


def test_it_takes_what_makes_transcripts_and_refuses_the_rest() -> None:
    names: dict[type, str] = {kind: name for name, kind in CLIENT_EVENT_TYPES.items()}
    assert {names[kind] for kind in HANDLERS} == {
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "conversation.item.retrieve",
        "conversation.item.delete",
    }


def test_it_opens_with_everything_filled_in() -> None:
    (created,) = Desk().events
    session = created["session"]
    assert (session["type"], session["id"]) == ("transcription", "sess_1")
    assert session["audio"]["input"]["transcription"] == {"model": DEFAULT_MODEL}
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert "output" not in session["audio"]


def test_a_live_model_opens_without_turn_detection() -> None:
    (created,) = Desk("gpt-realtime-whisper").events
    assert created["session"]["audio"]["input"]["turn_detection"] is None


def test_engines_are_told_what_the_client_says_about_its_audio() -> None:
    desk = Desk()
    about = {"model": "gpt-4o-transcribe", "language": "de", "prompt": "Termine"}
    desk.send(
        "session.update", session={"type": "transcription", "audio": {"input": {"transcription": about}}}
    )
    told = [effect.session for effect in desk.effects if isinstance(effect, Configure)][-1]
    assert told.instructions == "Termine"
    assert told.audio.input.transcription is not None
    assert told.audio.input.transcription.language == "de"


def test_audio_by_its_handler_is_heard_and_bad_audio_refused() -> None:
    desk = Desk()
    desk.send("input_audio_buffer.append", audio="AAAAAA==")
    assert [effect.frame.clip.pcm for effect in desk.effects if isinstance(effect, Hear)] == [bytes(4)]
    desk.send("input_audio_buffer.append", audio="AAA", event_id="mine")
    assert desk.events[-1]["error"]["param"] == "audio"
    assert desk.events[-1]["error"]["event_id"] == "mine"


def test_whoever_sends_what_is_no_event_is_told_and_nobody_else() -> None:
    desk = Desk()
    desk.machine.attach("sideband", 0)
    desk.drain()
    desk.effects.clear()
    desk.send("session.update", session="transcription", event_id="mine")
    (sent,) = [effect for effect in desk.effects if isinstance(effect, Send)]
    assert sent.to == CLIENT
    assert desk.events[0]["error"] | {"message": ""} == {
        "type": "invalid_request_error",
        "code": "invalid_type",
        "param": "session",
        "event_id": "mine",
        "message": "",
    }


def test_what_belongs_to_an_answer_is_nobodys() -> None:
    desk = Desk()
    desk.machine.signal(TextDelta("gen_1", "hello"), 0)
    desk.machine.signal(TranscriptPartial("item_unknown", "hello"), 0)
    desk.machine.signal(TranscriptFinished("item_unknown", "hello"), 0)
    assert desk.machine.drain() == []
    assert not [effect for effect in desk.effects if isinstance(effect, Generate)]


def test_readings_of_what_is_not_being_said_any_more_are_nobodys() -> None:
    desk = Desk()

    def speak() -> str:
        for _ in range(20):
            desk.machine.receive_audio(clip(20), 0)
            for effect in desk.machine.drain():
                desk.effects.append(effect)
                if isinstance(effect, Hear):
                    desk.machine.signal(SpeechProbability(effect.frame.end, 1.0), 0)
        desk.drain()
        return str(desk.events[-1]["item_id"])

    def read(item_id: str) -> list[str]:
        before = len(desk.events)
        for _ in range(3):
            desk.machine.signal(TranscriptPartial(item_id, "so it goes"), 0)
        desk.drain()
        return [event["delta"] for event in desk.events[before:]]

    forgotten = speak()
    desk.send("input_audio_buffer.clear")
    saying = speak()
    assert read(forgotten) == []
    assert read(saying) == ["so it"]
    desk.send("input_audio_buffer.commit")
    desk.machine.signal(TranscriptFinished(saying, "so it goes"), 0)
    desk.drain()
    assert read(saying) == []


def test_without_its_primary_connection_it_is_over() -> None:
    desk = Desk()
    desk.machine.receive_audio(clip(20), 0)
    desk.machine.detached(CLIENT, 0)
    assert [type(effect) for effect in desk.machine.drain()] == [Hear, Hangup]


@pytest.mark.parametrize(
    ("model", "streams", "live", "segments", "billed"),
    [
        ("whisper-1", False, False, False, "duration"),
        ("gpt-4o-transcribe", True, False, False, "tokens"),
        ("gpt-4o-mini-transcribe-2025-12-15", True, False, False, "tokens"),
        ("gpt-4o-transcribe-diarize", True, False, True, "tokens"),
        ("gpt-transcribe", True, False, False, "tokens"),
        ("gpt-realtime-whisper", True, True, False, "duration"),
        ("gpt-live-transcribe", True, True, False, "duration"),
        ("my-own-model", True, False, False, "tokens"),
    ],
)
def test_families(model: str, streams: bool, live: bool, segments: bool, billed: str) -> None:
    transcription = opening_transcription("s", model, 0, 500).audio.input.transcription
    family = family_of(transcription)
    assert (family.streams, family.live, family.segments, family.billed) == (streams, live, segments, billed)


def test_nothing_named_is_the_newest_family() -> None:
    assert family_of(None).streams


class TestStablePrefix:
    def test_words_are_told_when_three_readings_agree_and_one_more_follows(self) -> None:
        words = StablePrefix()
        readings = ["a", "a b", "a b c", "a b c d", "a b x d", "a b x d", "a b x d"]
        assert [words.grow(reading) for reading in readings] == ["", "", "a", " b", "", "", " x"]
        assert words.finish("a b x d") == " d"

    def test_what_was_told_is_never_taken_back(self) -> None:
        words = StablePrefix()
        for _ in range(3):
            words.grow("for tea now")
        for _ in range(4):
            assert words.grow("forty nine days") == ""
        assert words.finish("forty nine") == ""

    def test_a_shorter_end_tells_no_more(self) -> None:
        words = StablePrefix()
        told = [words.grow("for tea now") for _ in range(3)]
        assert told == ["", "", "for tea"]
        assert words.finish("for tea") == ""

    def test_a_text_of_which_nothing_was_told_is_told_as_it_is(self) -> None:
        assert StablePrefix().finish("two  spaces") == "two  spaces"
