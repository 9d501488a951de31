"""Frames as a client reads them that validates every one: openai-agents does, with exactly this adapter."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@cache
def _adapter() -> TypeAdapter[Any]:
    # Imported when it is first asked for: the client's types take a second to load.
    import pydantic
    from openai.types.realtime import RealtimeServerEvent

    return pydantic.TypeAdapter(Annotated[RealtimeServerEvent, pydantic.Field(discriminator="type")])


def read_frame(frame: bytes | str) -> dict[str, Any]:
    """A GA server event as plain JSON. Raises pydantic.ValidationError when a strict client would."""
    plain: dict[str, Any] = json.loads(frame)
    _adapter().validate_python(plain)
    return plain
