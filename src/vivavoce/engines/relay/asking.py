"""Clients' events: what of each is done here, and what goes up. A table, by the event's type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from vivavoce.engines.relay.asked import Change
from vivavoce.engines.relay.carrying import as_created
from vivavoce.protocol import client_events as ce
from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.encode import to_plain
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.items import McpApprovalResponseItem
from vivavoce.protocol.session_objects import SessionObject, Tool
from vivavoce.protocol.sessions import merge_extension
from vivavoce.session.conversation import snapshot

if TYPE_CHECKING:
    from vivavoce.engines.relay.mirror import Mirror


def _update_session(mirror: Mirror, event: ce.SessionUpdate, source: str, now_ms: int) -> None:
    extension = None
    if "vivavoce" in event.session:
        extension = merge_extension(mirror.config.vivavoce, event.session["vivavoce"])
        if extension.preambles is not None:
            raise errors.invalid_because(
                "session.vivavoce.preambles", "the upstream speaks, and finds its own preambles"
            )
    session = {name: one for name, one in event.session.items() if name != "vivavoce"}
    if extension is not None and not session.keys() - {"type"}:
        mirror.view.extend(extension)
        return
    tools = _read_tools(mirror, session, "session")
    if tools is not None:
        session["tools"] = mirror.front.functions(tools)
    change = Change(tools, extension)
    mirror.up.ask("session.update", now_ms, source=source, event=event, change=change, session=session)
    _expect_format(mirror, session)


def _read_tools(mirror: Mirror, fields: dict[str, Any], path: str) -> list[Tool] | None:
    known = mirror.config.tools if isinstance(mirror.config, SessionObject) else []
    return mirror.front.read(fields, path, known)


def _expect_format(mirror: Mirror, session: dict[str, Any]) -> None:
    """Sound that comes right behind a new format is in that format already."""
    try:
        wanted = session["audio"]["input"]["format"]["type"]
    except (KeyError, TypeError):
        return
    if wanted in ("audio/pcm", "audio/pcmu", "audio/pcma"):
        mirror.input.hear_in(mirror.up.link, wanted)


def _append(mirror: Mirror, event: ce.InputAudioBufferAppend, source: str, now_ms: int) -> None:
    mirror.receive_audio(mirror.read_audio(event), now_ms)


def _commit(mirror: Mirror, event: ce.InputAudioBufferCommit, source: str, now_ms: int) -> None:
    mirror.rounds.said()
    _forward(mirror, event, source, now_ms)


def _forward(mirror: Mirror, event: ClientEvent, source: str, now_ms: int) -> None:
    """Send it up as it is."""
    plain = to_plain(event)
    kind = plain.pop("type")
    del plain["event_id"]
    if "item" in plain:
        plain["item"] = as_created(plain["item"])
    mirror.up.ask(kind, now_ms, source=source, event=event, **plain)


def _create_response(mirror: Mirror, event: ce.ResponseCreate, source: str, now_ms: int) -> None:
    if not event.response and mirror.rounds.merges(source, event.event_id):
        return
    mirror.answering.reserve(now_ms)
    mirror.front.rounds = 0
    tools = _read_tools(mirror, event.response or {}, "response")
    if tools is None:
        _forward(mirror, event, source, now_ms)
        return
    mirror.front.tools.follow(tools)
    response = {**(event.response or {}), "tools": mirror.front.functions(tools)}
    mirror.up.ask("response.create", now_ms, source=source, event=event, response=response)


def _create_item(mirror: Mirror, event: ce.ConversationItemCreate, source: str, now_ms: int) -> None:
    mirror.rounds.said()
    if isinstance(event.item, McpApprovalResponseItem) and mirror.front.asked_for(event.item):
        mirror.front.decide(event.item)
        mirror.rounds.follow_decisions(now_ms)
        return
    if event.previous_item_id is not None and mirror.front.made(event.previous_item_id) is not None:
        event = msgspec.structs.replace(
            event, previous_item_id=mirror.front.known_above(event.previous_item_id)
        )
    _forward(mirror, event, source, now_ms)


def _retrieve_item(mirror: Mirror, event: ce.ConversationItemRetrieve, source: str, now_ms: int) -> None:
    item = mirror.front.made(event.item_id)
    if item is None:
        _forward(mirror, event, source, now_ms)
    else:
        mirror.outbox.send(se.ConversationItemRetrieved, to=source, item=snapshot(item))


def _delete_item(mirror: Mirror, event: ce.ConversationItemDelete, source: str, now_ms: int) -> None:
    if mirror.front.made(event.item_id) is None:
        _forward(mirror, event, source, now_ms)
    else:
        mirror.known.deleted(event.item_id)
        mirror.outbox.send(se.ConversationItemDeleted, item_id=event.item_id)


def _clear_output(mirror: Mirror, event: ce.OutputAudioBufferClear, source: str, now_ms: int) -> None:
    message = "'output_audio_buffer.clear' is for WebRTC and SIP; on a WebSocket the client plays and clears by itself."
    raise ClientError("invalid_value", message, "type")


Handler = Callable[["Mirror", Any, str, int], None]

HANDLERS: dict[type, Handler] = {
    ce.SessionUpdate: _update_session,
    ce.InputAudioBufferAppend: _append,
    ce.InputAudioBufferCommit: _commit,
    ce.InputAudioBufferClear: _forward,
    ce.OutputAudioBufferClear: _clear_output,
    ce.ConversationItemCreate: _create_item,
    ce.ConversationItemRetrieve: _retrieve_item,
    ce.ConversationItemTruncate: _forward,
    ce.ConversationItemDelete: _delete_item,
    ce.ResponseCreate: _create_response,
    ce.ResponseCancel: _forward,
}
"""Every client event of the GA dialect; a test holds the table against the protocol."""
