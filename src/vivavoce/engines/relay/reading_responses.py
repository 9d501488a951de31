"""The upstream's events about its responses: what each means to the mirror, and what of it clients are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from vivavoce.audio.codec import AudioError, decode_audio
from vivavoce.audio.frames import split
from vivavoce.engines.relay.asked import Ask
from vivavoce.engines.relay.following import Following
from vivavoce.engines.relay.handing_on import Wrong, again, hand_on
from vivavoce.protocol import server_events as se
from vivavoce.protocol.client_events import ResponseCreate
from vivavoce.protocol.responses import ResponseObject
from vivavoce.session.effects import Part, Play

if TYPE_CHECKING:
    from vivavoce.engines.relay.mirror import Mirror


def response_created(mirror: Mirror, plain: dict[str, Any], frame: bytes, now_ms: int) -> Wrong:
    """It answers: a client, a turn, or what tools have returned."""
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


def response_done(mirror: Mirror, plain: dict[str, Any], frame: bytes, now_ms: int) -> Wrong:
    """It has answered. Where tools are called in front of it, clients are told when those have returned."""
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
        hand_on(mirror, event, frame)
    else:
        again(mirror, event, response=msgspec.structs.replace(event.response, conversation_id=first))


def of_response(mirror: Mirror, event: Any, frame: bytes, now_ms: int) -> Wrong:
    """Anything that names a response: it has to be one that is going on."""
    if mirror.front.hides(event):
        return None
    wrong = mirror.known.follow(event.response_id, event)
    if wrong is None:
        if isinstance(event, se.ResponseOutputTextDelta):
            mirror.known.running[event.response_id].said(now_ms)
        hand_on(mirror, event, frame)
    return f"{event.__struct_config__.tag} {wrong}" if wrong else None


def audio(mirror: Mirror, event: se.ResponseOutputAudioDelta, frame: bytes, now_ms: int) -> Wrong:
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


def limits(mirror: Mirror, event: se.RateLimitsUpdated, frame: bytes, now_ms: int) -> Wrong:
    """The limits of this server's clients, where they have some, are told instead."""
    if not mirror.answering.limited:
        hand_on(mirror, event, frame)
    return None
