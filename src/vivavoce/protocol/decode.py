"""Wire bytes to client events, GA dialect.

The fast path is one msgspec decoder over the tagged union. What it refuses is read a second time, leniently:
some of it turns out to be acceptable, and for the rest the error can echo the client's `event_id` and name
the `param` at fault. Whatever the bytes, nothing but `ClientError` comes out.
"""

from typing import Any, Final

import msgspec

from vivavoce.protocol import errors
from vivavoce.protocol.client_events import (
    CLIENT_EVENT_TYPES,
    ClientEvent,
    ConversationItemCreate,
    ResponseCreate,
    SessionUpdate,
)
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.item_reading import check_item, prepare_item
from vivavoce.protocol.items import McpListToolsItem
from vivavoce.protocol.refusals import kind_of, refusal

MAX_EVENT_ID_LENGTH: Final = 512
MAX_NESTING: Final = 128
"""Levels of objects and arrays in one event. What is deeper could be read but not always written back."""

_TOO_DEEP: Final = f"it is nested more than {MAX_NESTING} levels deep"
_DECODER: Final = msgspec.json.Decoder(ClientEvent)
# Events that are right as soon as they decode; nearly all of the traffic is appended audio.
_PLAIN: Final = frozenset(CLIENT_EVENT_TYPES.values()) - {
    ConversationItemCreate,
    ResponseCreate,
    SessionUpdate,
}
_WHOLE_NUMBERS: Final = ("content_index", "audio_end_ms")


def decode_client_event(data: bytes | str | memoryview) -> ClientEvent:
    """One client event. Raises `ClientError`, with `event_id` and `param` if they can be known; nothing else."""
    try:
        event: ClientEvent = _DECODER.decode(data)
    except (ValueError, RecursionError):
        return read_client_event(parse_object(data))
    if type(event) in _PLAIN:
        return event
    try:
        _check(event)
    except ClientError as error:
        error.event_id = event.event_id
        raise
    return event


def parse_object(data: bytes | str | memoryview) -> dict[str, Any]:
    """The event as plain JSON values, or the `ClientError` that says why it is not a JSON object."""
    try:
        raw = msgspec.json.decode(data)
    except UnicodeError:
        raise errors.invalid_json("it is not valid UTF-8.") from None
    except RecursionError:
        raise errors.invalid_json(f"{_TOO_DEEP}.") from None
    except ValueError as error:
        raise errors.invalid_json(f"{error}.") from None
    if not isinstance(raw, dict):
        raise errors.not_an_object()
    return raw


def read_client_event(raw: dict[str, Any]) -> ClientEvent:
    """One client event out of plain JSON values; the lenient reading."""
    event_id = echoed_event_id(raw)
    try:
        return _read(raw)
    except ClientError as error:
        error.event_id = event_id
        raise


def echoed_event_id(raw: dict[str, Any]) -> str | None:
    """The id that an error about this event carries; an overlong one is not sent back."""
    event_id = raw.get("event_id")
    return event_id if isinstance(event_id, str) and len(event_id) <= MAX_EVENT_ID_LENGTH else None


def _read(raw: dict[str, Any]) -> ClientEvent:
    event_type = raw.get("type")
    if event_type is None:
        raise errors.missing_type()
    if not isinstance(event_type, str):
        raise errors.invalid_type("type", "a string", kind_of(event_type))
    wanted = CLIENT_EVENT_TYPES.get(event_type)
    if wanted is None:
        raise errors.unknown_event_type(event_type, list(CLIENT_EVENT_TYPES))
    for key, value in raw.items():  # before anything below could run out of stack over it
        if deeper_than(value, MAX_NESTING):
            raise errors.invalid_because(key[:64], _TOO_DEEP)
    prepared = dict(raw)
    if wanted is ConversationItemCreate and "item" in raw:
        prepared["item"] = prepare_item(raw["item"])
    for name in _WHOLE_NUMBERS:
        value = prepared.get(name)
        if isinstance(value, float) and value.is_integer():  # some JSON writers spell 400 as 400.0
            prepared[name] = int(value)
    try:
        event: ClientEvent = msgspec.convert(prepared, wanted)
    except msgspec.ValidationError as error:
        raise refusal(error, prepared, wanted) from None
    _check(event)
    return event


def _check(event: ClientEvent) -> None:
    """What the types alone cannot refuse: parts that do not fit their item, free JSON that is nested too deep."""
    if isinstance(event, ConversationItemCreate):
        check_item(event.item, "item")
    free: Any
    match event:
        case SessionUpdate():
            param, free = "session", event.session
        case ResponseCreate():
            param, free = "response", event.response
        case ConversationItemCreate(item=McpListToolsItem() as item):
            param, free = "item.tools", [(tool.input_schema, tool.annotations) for tool in item.tools]
        case _:
            return
    if deeper_than(free, MAX_NESTING):
        raise errors.invalid_because(param, _TOO_DEEP)


def deeper_than(value: Any, limit: int) -> bool:
    """Whether objects and arrays stand in each other more than `limit` levels deep."""
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list | tuple)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)
