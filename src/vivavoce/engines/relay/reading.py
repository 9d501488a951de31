"""The upstream's events: what each means to the mirror, and what of it clients are told. Tables, by the event's type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from vivavoce.engines.relay.handing_on import Wrong, again, hand_on, hand_on_at
from vivavoce.engines.relay.reading_responses import (
    audio,
    limits,
    of_response,
    response_created,
    response_done,
)
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import InputImage
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.protocol.server_events import SERVER_EVENT_TYPES, ForeignEvent, ServerEvent
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.effects import Send

if TYPE_CHECKING:
    from vivavoce.engines.relay.mirror import Mirror


class Head(msgspec.Struct):
    """What every event has."""

    type: str
    event_id: str = ""


_HEAD = msgspec.json.Decoder(Head)
_EVENT: msgspec.json.Decoder[ServerEvent] = msgspec.json.Decoder(ServerEvent)
_FROM_CLIENTS = ("message", "function_call", "function_call_output")
_BEFORE_GREETING = ("session.created", "error")


def read(mirror: Mirror, frame: bytes, now_ms: int) -> Wrong:
    """Take in one event."""
    try:
        event: Any = _EVENT.decode(frame)
        name = event.__struct_config__.tag
    except (ValueError, RecursionError):
        try:
            head = _HEAD.decode(frame)
        except (ValueError, RecursionError):
            return "what it sends is no event"
        name, event = head.type, _with_images_left_out(head.type, frame)
    if mirror.up.state == "dialling" and name not in _BEFORE_GREETING:
        return f"{name} came before session.created"
    if name in BY_NAME:
        plain = msgspec.json.decode(frame)
        return BY_NAME[name](mirror, plain, frame, now_ms)
    if event is None:
        return _foreign(mirror, name, frame)
    handler = BY_TYPE.get(type(event))
    if handler is not None:
        return handler(mirror, event, frame, now_ms)
    if hasattr(event, "response_id"):
        return of_response(mirror, event, frame, now_ms)
    hand_on(mirror, event, frame)
    return None


def _with_images_left_out(name: str, frame: bytes) -> Any:
    """An event about an item that shows its images without what is to be seen, as this server does where that is too large for a frame."""
    if name not in ("conversation.item.added", "conversation.item.done", "conversation.item.retrieved"):
        return None
    plain = msgspec.json.decode(frame)
    try:
        for part in plain["item"]["content"]:
            if part["type"] == "input_image" and part.get("image_url") is None:
                part["image_url"] = ""
        event: Any = msgspec.convert(plain, ServerEvent)
    except (KeyError, TypeError, msgspec.ValidationError):
        return None
    for part in event.item.content:
        if isinstance(part, InputImage) and not part.image_url:
            part.image_url = msgspec.UNSET
    return event


def is_greeting(frame: bytes) -> bool:
    """Whether this is a `session.created`."""
    try:
        return _HEAD.decode(frame).type == "session.created"
    except (ValueError, RecursionError):
        return False


def _foreign(mirror: Mirror, name: str, frame: bytes) -> Wrong:
    """An event that this version does not know is handed on; one that it knows in another shape as well, unless it names nothing."""
    plain = msgspec.json.decode(frame)
    response_id = plain.get("response_id")
    if name in SERVER_EVENT_TYPES and response_id is not None and response_id not in mirror.known.running:
        return None if response_id in mirror.known.ended else f"{name} is not in order"
    # In whatever shape it comes, it is the answer to what was asked. But what has no type that clients send, nobody has asked for.
    item = plain.get("item")
    kind = item.get("type") if isinstance(item, dict) else None
    ask = mirror.up.asked.answered(name) if kind in (None, *_FROM_CLIENTS) else None
    source = ask.source if ask is not None and name == "conversation.item.retrieved" else None
    mirror.outbox.put(Send(ForeignEvent(type=name), source, frame))
    return None


# --- the session --------------------------------------------------------------------------------------------------------


def _session_created(mirror: Mirror, plain: dict[str, Any], frame: bytes, now_ms: int) -> Wrong:
    session = plain.get("session")
    if not isinstance(session, dict):
        return "session.created without a session"
    if mirror.up.state != "dialling":
        return "a second session.created"
    mirror.greeted(session, now_ms)
    return None


def _session_updated(mirror: Mirror, plain: dict[str, Any], frame: bytes, now_ms: int) -> Wrong:
    session = plain.get("session")
    if not isinstance(session, dict):
        return "session.updated without a session"
    mirror.updated(session, mirror.up.asked.answered("session.updated"), now_ms)
    return None


def _error(mirror: Mirror, plain: dict[str, Any], frame: bytes, now_ms: int) -> Wrong:
    try:
        detail = msgspec.convert(plain.get("error"), ErrorDetail)
    except msgspec.ValidationError:
        return "an error that says nothing"
    mirror.refused(detail, now_ms)
    return None


# --- items --------------------------------------------------------------------------------------------------------------


def _item_added(mirror: Mirror, event: se.ConversationItemAdded, frame: bytes, now_ms: int) -> Wrong:
    if not (mirror.known.begun_there(event.item.id) or mirror.front.hidden(event.item.id)):
        mirror.keep_given(event.item, mirror.up.asked.answered("conversation.item.added"))
    mirror.known.turns.came(event.item.id, "item")
    if event.item.id in mirror.front.unseen or event.item.id in mirror.known.conversation:
        return None
    if event.previous_item_id in mirror.front.unseen:
        event = msgspec.structs.replace(event, previous_item_id=mirror.known.conversation.last_id)
        mirror.known.added(event.item, event.previous_item_id)
        again(mirror, event)
    else:
        mirror.known.added(event.item, event.previous_item_id)
        hand_on(mirror, event, frame)
    return None


def _item_done(mirror: Mirror, event: se.ConversationItemDone, frame: bytes, now_ms: int) -> Wrong:
    if event.item.id in mirror.up.carried:
        mirror.up.carried.discard(event.item.id)  # Everybody here knows it.
        return None
    if event.item.id in mirror.front.unseen:
        return None
    mirror.known.became(event.item)
    if event.previous_item_id in mirror.front.unseen and event.item.id in mirror.known.conversation:
        again(mirror, event, previous_item_id=mirror.known.conversation.predecessor(event.item.id))
    else:
        hand_on(mirror, event, frame)
    return None


def _item_deleted(mirror: Mirror, event: se.ConversationItemDeleted, frame: bytes, now_ms: int) -> Wrong:
    mirror.up.asked.answered("conversation.item.deleted")
    mirror.known.deleted(event.item_id)
    hand_on(mirror, event, frame)
    return None


def _item_truncated(mirror: Mirror, event: se.ConversationItemTruncated, frame: bytes, now_ms: int) -> Wrong:
    mirror.up.asked.answered("conversation.item.truncated")
    mirror.known.truncated(event.item_id, event.audio_end_ms)
    hand_on(mirror, event, frame)
    return None


def _item_retrieved(mirror: Mirror, event: se.ConversationItemRetrieved, frame: bytes, now_ms: int) -> Wrong:
    ask = mirror.up.asked.answered("conversation.item.retrieved")
    if ask is not None:
        mirror.outbox.put(Send(event, ask.source, frame))
    return None


def _transcribed(
    mirror: Mirror,
    event: se.ConversationItemInputAudioTranscriptionCompleted,
    frame: bytes,
    now_ms: int,
) -> Wrong:
    mirror.known.turns.came(event.item_id, "words")
    mirror.known.understood(event.item_id, event.content_index, event.transcript)
    hand_on(mirror, event, frame)
    return None


def _not_transcribed(
    mirror: Mirror, event: se.ConversationItemInputAudioTranscriptionFailed, frame: bytes, now_ms: int
) -> Wrong:
    mirror.known.turns.came(event.item_id, "words")
    hand_on(mirror, event, frame)
    return None


# --- the caller ---------------------------------------------------------------------------------------------------------


def _speech_started(
    mirror: Mirror, event: se.InputAudioBufferSpeechStarted, frame: bytes, now_ms: int
) -> Wrong:
    mirror.input.started(event.item_id, event.audio_start_ms)
    mirror.known.playback.flush()
    hand_on_at(mirror, event, frame, audio_start_ms=event.audio_start_ms)
    return None


def _speech_stopped(
    mirror: Mirror, event: se.InputAudioBufferSpeechStopped, frame: bytes, now_ms: int
) -> Wrong:
    mirror.input.stopped(event.audio_end_ms)
    hand_on_at(mirror, event, frame, audio_end_ms=event.audio_end_ms)
    return None


def _timed_out(
    mirror: Mirror, event: se.InputAudioBufferTimeoutTriggered, frame: bytes, now_ms: int
) -> Wrong:
    hand_on_at(mirror, event, frame, audio_start_ms=event.audio_start_ms, audio_end_ms=event.audio_end_ms)
    return None


def _committed(mirror: Mirror, event: se.InputAudioBufferCommitted, frame: bytes, now_ms: int) -> Wrong:
    ask = mirror.up.asked.answered("input_audio_buffer.committed")
    mirror.known.spoken(event.item_id, mirror.input.committed())
    heard = mirror.config.audio.input
    mirror.known.turns.committed(event.item_id, event.previous_item_id, words=heard.transcription is not None)
    mirror.answering.asked(now_ms)
    if ask is None and _is_answered_by_itself(mirror):
        mirror.answering.owe(event.item_id, now_ms)
    hand_on(mirror, event, frame)
    return None


def _is_answered_by_itself(mirror: Mirror) -> bool:
    """Whether a turn that the upstream ends is answered without a client's word (protocol reference 3.3)."""
    detection = mirror.config.audio.input.turn_detection
    return isinstance(mirror.config, SessionObject) and detection is not None and detection.create_response


def _cleared(mirror: Mirror, event: se.InputAudioBufferCleared, frame: bytes, now_ms: int) -> Wrong:
    mirror.up.asked.answered("input_audio_buffer.cleared")
    mirror.input.emptied()
    hand_on(mirror, event, frame)
    return None


ByName = Callable[["Mirror", dict[str, Any], bytes, int], Wrong]
ByType = Callable[["Mirror", Any, bytes, int], Wrong]

BY_NAME: dict[str, ByName] = {
    "session.created": _session_created,
    "session.updated": _session_updated,
    "error": _error,
    "response.created": response_created,
    "response.done": response_done,
}
"""Read as plain JSON: here a field that this version does not know must not be in the way."""

BY_TYPE: dict[type, ByType] = {
    se.ResponseOutputAudioDelta: audio,
    se.ConversationItemAdded: _item_added,
    se.ConversationItemDone: _item_done,
    se.ConversationItemDeleted: _item_deleted,
    se.ConversationItemTruncated: _item_truncated,
    se.ConversationItemRetrieved: _item_retrieved,
    se.ConversationItemInputAudioTranscriptionCompleted: _transcribed,
    se.ConversationItemInputAudioTranscriptionFailed: _not_transcribed,
    se.InputAudioBufferSpeechStarted: _speech_started,
    se.InputAudioBufferSpeechStopped: _speech_stopped,
    se.InputAudioBufferTimeoutTriggered: _timed_out,
    se.InputAudioBufferCommitted: _committed,
    se.InputAudioBufferCleared: _cleared,
    se.RateLimitsUpdated: limits,
}
"""Everything else is followed where it belongs to a response, and handed on as it is."""
