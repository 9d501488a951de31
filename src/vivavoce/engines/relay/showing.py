"""The upstream's session as clients see it: all that it says, with what stands in front of it laid over."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from vivavoce.call.machines import AnySession
from vivavoce.call.ports import EngineNames
from vivavoce.engines.relay.asked import Change
from vivavoce.protocol.session_objects import (
    AudioConfig,
    McpTool,
    Secret,
    SessionObject,
    TranscriptionSessionObject,
    VivavoceExtension,
)
from vivavoce.session.upstream import Kind

_OURS = ("id", "object", "type", "expires_at", "vivavoce")
"""What of a session is decided here in any case."""
_UPDATABLE = (
    "output_modalities",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "max_output_tokens",
    "tracing",
    "truncation",
    "prompt",
    "include",
    "audio",
)
_NULLS_THAT_MEAN = frozenset({"turn_detection", "transcription", "noise_reduction", "idle_timeout_ms"})


def follow(current: AnySession, raw: dict[str, Any], change: Change) -> AnySession:
    """The session as far as it can be read. A field in a shape that this version does not know keeps what it was."""
    changes: dict[str, Any] = {}
    for field in msgspec.structs.fields(type(current)):
        if field.name not in raw or field.name in _OURS:
            continue
        try:
            changes[field.name] = msgspec.convert(_without_nulls(raw[field.name]), field.type)
        except msgspec.ValidationError:
            continue
    if isinstance(current, SessionObject) and any(isinstance(tool, McpTool) for tool in current.tools):
        changes.pop("tools", None)  # Those of servers are functions to the upstream.
    if change.tools is not None:
        changes["tools"] = change.tools
    if change.extension is not None:
        changes["vivavoce"] = change.extension
    return msgspec.structs.replace(current, **changes)


def shown(config: AnySession, raw: dict[str, Any]) -> dict[str, Any]:
    """What a client of the current dialect is told."""
    own = msgspec.to_builtins(config, enc_hook=_hide)
    laid_over = {name: own[name] for name in _OURS if name in own}
    if isinstance(config, SessionObject) and any(isinstance(tool, McpTool) for tool in config.tools):
        laid_over["tools"] = own["tools"]
    kept = {name: value for name, value in raw.items() if name != "client_secret"}
    return {**kept, **laid_over}


def answered_by(config: AnySession, names: EngineNames) -> AnySession:
    """The same session, answered by another engine, and saying so."""
    extension = config.vivavoce
    if extension is msgspec.UNSET:
        return config
    named = msgspec.structs.asdict(extension) | asdict(names)
    return msgspec.structs.replace(config, vivavoce=VivavoceExtension(**named))


def kind_of(config: AnySession) -> Kind:
    """Realtime or transcription."""
    return "transcription" if isinstance(config, TranscriptionSessionObject) else "realtime"


def watched(config: AnySession) -> SessionObject:
    """For whoever watches the call: a transcription session is a conversation in which nobody answers."""
    if isinstance(config, SessionObject):
        return config
    return SessionObject(id=config.id, model="", audio=AudioConfig(input=config.audio.input))


def as_update(config: AnySession, raw: dict[str, Any]) -> dict[str, Any]:
    """A `session.update` that makes another upstream session like this one."""
    kept = ("audio", "include") if isinstance(config, TranscriptionSessionObject) else _UPDATABLE
    update = {name: raw[name] for name in kept if raw.get(name) is not None}
    return {"type": kind_of(config), **update}


def _hide(value: object) -> Any:
    if isinstance(value, Secret):
        return None
    raise TypeError(type(value).__name__)


def _without_nulls(value: Any) -> Any:
    """Where this version leaves a field out, others may say null; for some fields null is a value."""
    if not isinstance(value, dict):
        return value
    return {
        name: _without_nulls(one)
        for name, one in value.items()
        if one is not None or name in _NULLS_THAT_MEAN
    }
