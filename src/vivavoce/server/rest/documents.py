"""What the OpenAPI document says beside the request models: answers and failures."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    """What is wrong: in words, of which kind, where in the request, and a code for programs."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(BaseModel):
    """The API's error object."""

    error: ErrorDetail


_REASONS = {
    400: "The request cannot be served as it is.",
    401: "No key, or a wrong one.",
    403: "A page of a foreign origin.",
    404: "There is nothing of that name.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    429: "Too many requests at once.",
    500: "A stage failed.",
    501: "The engine has no stages to lend.",
    502: "The relay's upstream refuses this server, or makes no sense.",
    503: "A stage, or the upstream, is busy or out of reach; try again.",
}
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorReply, "description": reason} for status, reason in _REASONS.items()
} | {"4XX": {"model": ErrorReply, "description": "Other requests that cannot be served."}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_EVENTS: dict[str, Any] = {"text/event-stream": {}}


def sound_and_events(media_types: Any) -> dict[int | str, dict[str, Any]]:
    """A 200 of sound, in any of these types, or of events."""
    content = dict.fromkeys(media_types.values(), _BINARY) | _EVENTS
    return {200: {"description": "Speech, as it is made.", "content": content}}


def json_and_events(
    model: type[BaseModel], description: str, *others: str
) -> dict[int | str, dict[str, Any]]:
    """A 200 that is a JSON object, events, or one of `others`."""
    content: dict[str, Any] = dict(_EVENTS) | {kind: {"schema": {"type": "string"}} for kind in others}
    return {200: {"model": model, "description": description, "content": content}}


def described(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """A 200 that is a JSON object, and what may go wrong."""
    return {200: {"model": model}, **FAILURES}
