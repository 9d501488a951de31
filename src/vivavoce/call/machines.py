"""Which machine holds which kind of session, and what a session of each kind begins with."""

from __future__ import annotations

from typing import Any

from vivavoce.call.ports import Capabilities, Machine
from vivavoce.call.via import Names
from vivavoce.protocol.session_objects import SessionObject, TranscriptionSessionObject
from vivavoce.protocol.sessions import merge_session
from vivavoce.protocol.transcription_sessions import (
    DEFAULT_MODEL,
    merge_transcription_session,
    opening_transcription,
)
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import NewId
from vivavoce.session.session import RealtimeSession
from vivavoce.session.transcription import TranscriptionSession

AnySession = SessionObject | TranscriptionSessionObject


def set_up(opening: SessionObject, setup: dict[str, Any], silence_duration_ms: int) -> AnySession:
    """An opening session with somebody's configuration merged in, in the words of `session.update`.

    A configuration of type "transcription" makes a transcription session of it. Raises ClientError.
    """
    if setup.get("type") == "translation":
        return opening  # What it begins with is between the client and whoever translates.
    if setup.get("type") != "transcription":
        return merge_session(opening, setup, silence_duration_ms=silence_duration_ms, spoken=False)
    plain = opening_transcription(
        opening.id, DEFAULT_MODEL, opening.expires_at, silence_duration_ms, opening.vivavoce
    )
    return merge_transcription_session(plain, setup, silence_duration_ms=silence_duration_ms)


def machine_of(
    opening: AnySession,
    new_id: NewId,
    options: SessionOptions,
    now_ms: int,
    capabilities: Capabilities,
    setup: dict[str, Any] | None = None,
    via: Names = (),
) -> Machine:
    """The machine for a session that begins like this; `setup` is what somebody chose of it (a stored prompt does not change that).

    `via`: servers like this one that have passed it on.
    """
    if capabilities.machine is not None:
        return capabilities.machine(opening, new_id, options, now_ms, setup, via)
    if isinstance(opening, TranscriptionSessionObject):
        return TranscriptionSession(opening, new_id, options, now_ms, engine_judges=capabilities.judges_turns)
    return RealtimeSession(
        opening,
        new_id,
        options,
        now_ms,
        engine_speaks=capabilities.speaks,
        engine_prepares=capabilities.prepares,
        engine_judges=capabilities.judges_turns,
        setup=setup,
    )
