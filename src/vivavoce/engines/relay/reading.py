"""The upstream's events: what each means to the mirror, and what of it clients are told. Tables, by the event's type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from vivavoce.audio.codec import AudioError, decode_audio
from vivavoce.audio.frames import split
from vivavoce.engines.relay.asked import Ask
from vivavoce.engines.relay.following import Following
from vivavoce.protocol import server_events as se
from vivavoce.protocol.client_events import ResponseCreate
from vivavoce.protocol.items import InputImage
from vivavoce.protocol.responses import ErrorDetail, ResponseObject
from vivavoce.protocol.server_events import SERVER_EVENT_TYPES, ForeignEvent, ServerEvent
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.effects import Part, Play, Send

if TYPE_CHECKING:
    from vivavoce.engines.relay.mirror import Mirror

Wrong = str | None
"""Why an event cannot be; None where it can."""


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
        return _of_response(mirror, event, frame, now_ms)
    _hand_on(mirror, event, frame)
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


def _hand_on(mirror: Mirror, event: ServerEvent | ForeignEvent, frame: bytes) -> None:
    mirror.outbox.put(Send(event, None, frame))


def _again(mirror: Mirror, event: ServerEvent, **changes: Any) -> None:
    """In our words, since something of it is different here."""
    mirror.outbox.put(Send(msgspec.structs.replace(event, **changes)))


def _hand_on_at(mirror: Mirror, event: ServerEvent, frame: bytes, **positions_ms: int) -> None:
    """In its own words, unless the upstream's clock began later than ours: then with the positions moved to our clock."""
    offset_ms = mirror.input.offset_ms
    if offset_ms:
        _again(mirror, event, **{name: at_ms + offset_ms for name, at_ms in positions_ms.items()})
    else:
        _hand_on(mirror, event, frame)


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
        _again(mirror, event)
    else:
        mirror.known.added(event.item, event.previous_item_id)
        _hand_on(mirror, event, frame)
    return None


def _item_done(mirror: Mirror, event: se.ConversationItemDone, frame: bytes, now_ms: int) -> Wrong:
    if event.item.id in mirror.up.carried:
        mirror.up.carried.discard(event.item.id)  # Everybody here knows it.
        return None
    if event.item.id in mirror.front.unseen:
        return None
    mirror.known.became(event.item)
    if event.previous_item_id in mirror.front.unseen and event.item.id in mirror.known.conversation:
        _again(mirror, event, previous_item_id=mirror.known.conversation.predecessor(event.item.id))
    else:
        _hand_on(mirror, event, frame)
    return None


def _item_deleted(mirror: Mirror, event: se.ConversationItemDeleted, frame: bytes, now_ms: int) -> Wrong:
    mirror.up.asked.answered("conversation.item.deleted")
    mirror.known.deleted(event.item_id)
    _hand_on(mirror, event, frame)
    return None


def _item_truncated(mirror: Mirror, event: se.ConversationItemTruncated, frame: bytes, now_ms: int) -> Wrong:
    mirror.up.asked.answered("conversation.item.truncated")
    mirror.known.truncated(event.item_id, event.audio_end_ms)
    _hand_on(mirror, event, frame)
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
    _hand_on(mirror, event, frame)
    return None


def _not_transcribed(
    mirror: Mirror, event: se.ConversationItemInputAudioTranscriptionFailed, frame: bytes, now_ms: int
) -> Wrong:
    mirror.known.turns.came(event.item_id, "words")
    _hand_on(mirror, event, frame)
    return None


# --- the caller ---------------------------------------------------------------------------------------------------------


def _speech_started(
    mirror: Mirror, event: se.InputAudioBufferSpeechStarted, frame: bytes, now_ms: int
) -> Wrong:
    mirror.input.started(event.item_id, event.audio_start_ms)
    mirror.known.playback.flush()
    _hand_on_at(mirror, event, frame, audio_start_ms=event.audio_start_ms)
    return None


def _speech_stopped(
    mirror: Mirror, event: se.InputAudioBufferSpeechStopped, frame: bytes, now_ms: int
) -> Wrong:
    mirror.input.stopped(event.audio_end_ms)
    _hand_on_at(mirror, event, frame, audio_end_ms=event.audio_end_ms)
    return None


def _timed_out(
    mirror: Mirror, event: se.InputAudioBufferTimeoutTriggered, frame: bytes, now_ms: int
) -> Wrong:
    _hand_on_at(mirror, event, frame, audio_start_ms=event.audio_start_ms, audio_end_ms=event.audio_end_ms)
    return None


def _committed(mirror: Mirror, event: se.InputAudioBufferCommitted, frame: bytes, now_ms: int) -> Wrong:
    ask = mirror.up.asked.answered("input_audio_buffer.committed")
    mirror.known.spoken(event.item_id, mirror.input.committed())
    heard = mirror.config.audio.input
    mirror.known.turns.committed(event.item_id, event.previous_item_id, words=heard.transcription is not None)
    mirror.answering.asked(now_ms)
    if ask is None and _is_answered_by_itself(mirror):
        mirror.answering.owe(event.item_id, now_ms)
    _hand_on(mirror, event, frame)
    return None


def _is_answered_by_itself(mirror: Mirror) -> bool:
    """Whether a turn that the upstream ends is answered without a client's word (protocol reference 3.3)."""
    detection = mirror.config.audio.input.turn_detection
    return isinstance(mirror.config, SessionObject) and detection is not None and detection.create_response


def _cleared(mirror: Mirror, event: se.InputAudioBufferCleared, frame: bytes, now_ms: int) -> Wrong:
    mirror.up.asked.answered("input_audio_buffer.cleared")
    mirror.input.emptied()
    _hand_on(mirror, event, frame)
    return None


# --- responses ----------------------------------------------------------------------------------------------------------


def _response_created(mirror: Mirror, plain: dict[str, Any], frame: bytes, now_ms: int) -> Wrong:
    response = _response(plain)
    if response is None:
        return "response.created without a response"
    if response.id in mirror.known.running or response.id in mirror.known.ended:
        return "a response is created twice"
    event = se.ResponseCreated(event_id=str(plain.get("event_id", "")), response=response)
    ask = mirror.up.asked.answered("response.created")
    # That the upstream goes on after a tool is our wish: no client's limits were asked for it yet.
    following = Following(response, ours=ask is not None and ask.source is None)
    asked = ask is not None and not following.ours
    mirror.answering.begin(following, now_ms, asked=asked, beside=_is_beside(ask))
    _in_one_conversation(mirror, event, frame)
    return None


def _response_done(mirror: Mirror, plain: dict[str, Any], frame: bytes, now_ms: int) -> Wrong:
    response = _response(plain)
    if response is None:
        return "response.done without a response"
    mirror.up.asked.answered("response.done")
    following = mirror.known.running.get(response.id)
    if following is None or following.held is not None:
        late = following is not None or response.id in mirror.known.ended
        return None if late else "response.done of a response that is not going on"
    if response.status != "completed":
        mirror.front.abandon(response.id)
    mirror.answering.meter(following, mirror.model, now_ms, response)
    if mirror.front.waits(response.id):
        following.held = response
    elif mirror.front.shown(response) is not None:
        end(mirror, response, now_ms)
    else:
        event = se.ResponseDone(event_id=str(plain.get("event_id", "")), response=response)
        _in_one_conversation(mirror, event, frame)
        _ended(mirror, response, now_ms)
    return None


def _is_beside(ask: Ask | None) -> bool:
    """Whether a client has asked for an answer outside the conversation."""
    event = ask.event if ask is not None else None
    return isinstance(event, ResponseCreate) and (event.response or {}).get("conversation") == "none"


def end(mirror: Mirror, response: ResponseObject, now_ms: int) -> None:
    """A response with calls of MCP tools in it is over: told in our words, with what clients have seen of it."""
    shown = mirror.front.shown(response) or response
    first = mirror.known.conversation.id
    if shown.conversation_id is not None and first:
        shown = msgspec.structs.replace(shown, conversation_id=first)
    mirror.outbox.send(se.ResponseDone, response=shown)
    held = mirror.known.running[response.id].held is not None
    _ended(mirror, response, now_ms)
    if held and not mirror.answering.limited:
        # The upstream's own came while the response was held back.
        mirror.outbox.send(se.RateLimitsUpdated, rate_limits=[])
    mirror.rounds.tell_results(response.id, now_ms, completed=response.status == "completed")


def _ended(mirror: Mirror, response: ResponseObject, now_ms: int) -> None:
    for item in response.output:
        mirror.known.playback.finish(item.id)
    following = mirror.known.end(response.id)
    used = response.usage.total_tokens if response.usage is not None else 0
    if following is not None:
        mirror.answering.end(following, used, now_ms)
        if not mirror.known.running:
            mirror.rounds.follow_decisions(now_ms)


def _response(plain: dict[str, Any]) -> ResponseObject | None:
    """The response as far as it can be read: what this version does not know of it must not hide that it is there."""
    raw = plain.get("response")
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
        return None
    try:
        return msgspec.convert(raw, ResponseObject)
    except msgspec.ValidationError:
        status = raw.get("status")
        known = ("in_progress", "completed", "cancelled", "failed", "incomplete")
        conversation = raw.get("conversation_id")
        return ResponseObject(
            id=raw["id"],
            status=status if status in known else "completed",
            output=[],
            conversation_id=conversation if isinstance(conversation, str) else None,
            output_modalities=["audio"],
        )


def _in_one_conversation(mirror: Mirror, event: se.ResponseCreated | se.ResponseDone, frame: bytes) -> None:
    """The conversation has the id it had first, whichever upstream session has it by now."""
    first, told = mirror.known.conversation.id, event.response.conversation_id
    if told is not None and not first:
        mirror.known.conversation.id = first = told
    if told in (None, first):
        _hand_on(mirror, event, frame)
    else:
        _again(mirror, event, response=msgspec.structs.replace(event.response, conversation_id=first))


def _of_response(mirror: Mirror, event: Any, frame: bytes, now_ms: int) -> Wrong:
    if mirror.front.hides(event):
        return None
    wrong = mirror.known.follow(event.response_id, event)
    if wrong is None:
        if isinstance(event, se.ResponseOutputTextDelta):
            mirror.known.running[event.response_id].said(now_ms)
        _hand_on(mirror, event, frame)
    return f"{event.__struct_config__.tag} {wrong}" if wrong else None


def _audio(mirror: Mirror, event: se.ResponseOutputAudioDelta, frame: bytes, now_ms: int) -> Wrong:
    """Sound goes the way of all sound: to a socket as an event, to a paced transport as something to play."""
    response = mirror.known.running.get(event.response_id)
    if response is None:
        late = event.response_id in mirror.known.ended
        return None if late else "sound of a response that is not going on"
    wire = response.object.audio.output.format.type
    try:
        clip = decode_audio(event.delta, wire)
    except AudioError:
        return "sound that cannot be read"
    response.said(now_ms)
    if not response.played(event.item_id, clip.ticks):
        return "sound of an item that the response does not have"
    part = Part(event.response_id, event.item_id, event.output_index, event.content_index)
    event_id = event.event_id
    for piece in split(clip):
        mirror.known.playback.play(event.item_id, piece, (), now_ms)
        mirror.outbox.put(Play(part, piece, event_id, wire))
        event_id = mirror.outbox.new_id("event")
    return None


def _limits(mirror: Mirror, event: se.RateLimitsUpdated, frame: bytes, now_ms: int) -> Wrong:
    # The limits of this server's clients, where they have some, are told instead.
    if not mirror.answering.limited:
        _hand_on(mirror, event, frame)
    return None


ByName = Callable[["Mirror", dict[str, Any], bytes, int], Wrong]
ByType = Callable[["Mirror", Any, bytes, int], Wrong]

BY_NAME: dict[str, ByName] = {
    "session.created": _session_created,
    "session.updated": _session_updated,
    "error": _error,
    "response.created": _response_created,
    "response.done": _response_done,
}
"""Read as plain JSON: here a field that this version does not know must not be in the way."""

BY_TYPE: dict[type, ByType] = {
    se.ResponseOutputAudioDelta: _audio,
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
    se.RateLimitsUpdated: _limits,
}
"""Everything else is followed where it belongs to a response, and handed on as it is."""
