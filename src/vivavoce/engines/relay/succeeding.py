"""A session of our own that goes on where the upstream was lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from vivavoce.audio.clip import Frame
from vivavoce.audio.codec import decode_audio
from vivavoce.call.machines import machine_of
from vivavoce.call.ports import Capabilities, Machine
from vivavoce.engines.relay.carrying import carried
from vivavoce.protocol.items import InputAudio, Item, MessageItem
from vivavoce.session.conversation import snapshot
from vivavoce.session.effects import Transcribe
from vivavoce.session.session import RealtimeSession
from vivavoce.session.transcription import TranscriptionSession

if TYPE_CHECKING:
    from vivavoce.engines.relay.mirror import Mirror

NOBODY = "nobody"
"""Stands for a primary connection that has dropped and may come back."""


def succeed(mirror: Mirror, capabilities: Capabilities, seconds_left: int, now_ms: int) -> Machine:
    """The machine: it has the mirror's settings, its conversation in words, its connections, and what is left of its time."""
    options = replace(mirror.options, max_duration_s=seconds_left)
    made = machine_of(mirror.config, mirror.outbox.new_id, options, now_ms, capabilities)
    assert isinstance(made, RealtimeSession | TranscriptionSession)
    if isinstance(made, RealtimeSession):
        made.conversation.id = mirror.known.conversation.id or made.conversation.id
        for item in carried(mirror.known.conversation, mirror.kept):
            made.conversation.insert(item)
            _hear(mirror, made, item)
        if mirror.up.was_live:
            made.mcp.tools.follow(made.config.tools)
    else:
        _write_down(mirror, made)
    primary = mirror.connections.primary
    if primary is not None:
        made.connections.arrived(primary)
    elif mirror.connections.presence == "away":
        made.connections.arrived(NOBODY)
        made.connections.left(NOBODY, made.config, now_ms)
    return made


def _hear(mirror: Mirror, made: RealtimeSession, item: Item) -> None:
    """What nobody has put into words is heard now, several sounds of one item one after the other."""
    frames: list[Frame] = []
    for part in item.content if isinstance(item, MessageItem) else ():
        if isinstance(part, InputAudio) and isinstance(part.audio, str):
            sound = decode_audio(part.audio, mirror.input.wire_format)
            frames.append(Frame(frames[-1].end if frames else 0, sound))
            part.audio = msgspec.UNSET
    if frames:
        made.item_audio.add(item.id, [frame.clip for frame in frames])
        mirror.outbox.put(Transcribe(item.id, tuple(frames)))


def _write_down(mirror: Mirror, made: TranscriptionSession) -> None:
    """All items stay where clients know them; those whose words are still to come are heard here."""
    awaited = {item_id for item_id, _ in mirror.known.turns.waiting_for("words")}
    for item in mirror.known.conversation.items():
        made.conversation.insert(snapshot(item))
        sound = mirror.known.kept.sound(item.id)
        if item.id in awaited and sound is not None:
            made.item_audio.add(item.id, [sound])
            mirror.outbox.put(Transcribe(item.id, (Frame(0, sound),)))
