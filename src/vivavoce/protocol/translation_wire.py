"""The wire of translation sessions, as far as it is known here: three client events, handed on as they came (protocol reference 4.14)."""

from typing import Final, cast

from msgspec import Struct

from vivavoce.protocol import errors
from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.decode import echoed_event_id, parse_object
from vivavoce.protocol.dialects import GA, Dialect

CLIENT_EVENTS: Final = ("session.update", "session.input_audio_buffer.append", "session.close")


class TranslationEvent(Struct, frozen=True, kw_only=True):
    """An event of a client, unread: only a machine that hands it on takes it."""

    type: str
    event_id: str | None
    frame: bytes


def _from_wire(data: bytes | str | memoryview) -> ClientEvent:
    raw = parse_object(data)
    name, event_id = raw.get("type"), echoed_event_id(raw)
    if not isinstance(name, str):
        raise errors.missing_type(event_id)
    if name not in CLIENT_EVENTS:
        raise errors.unknown_event_type(name, CLIENT_EVENTS, event_id)
    frame = data.encode() if isinstance(data, str) else bytes(data)
    # None of the events of a conversation; it never gets to a machine that knows only those.
    return cast(ClientEvent, TranslationEvent(type=name, event_id=event_id, frame=frame))


TRANSLATION: Final = Dialect("ga", GA.to_wire, _from_wire)
