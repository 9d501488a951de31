"""Server events to wire bytes, GA dialect."""

from typing import Any

import msgspec

from vivavoce.protocol.server_events import ForeignEvent, ServerEvent
from vivavoce.protocol.session_objects import Secret


def _hide(value: object) -> Any:
    # The one type of ours that msgspec does not know: a secret may be held, but never leaves by the wire.
    if isinstance(value, Secret):
        return None
    raise TypeError(f"{type(value).__name__} has no form on the wire")


_ENCODER = msgspec.json.Encoder(enc_hook=_hide)


def encode_server_event(event: ServerEvent | ForeignEvent) -> bytes:
    """One event as compact UTF-8 JSON."""
    return _ENCODER.encode(event)


def to_plain(event: msgspec.Struct) -> dict[str, Any]:
    """One event or session object as dicts, lists and plain values, with the same names and omissions as on the wire."""
    plain: dict[str, Any] = msgspec.to_builtins(event, enc_hook=_hide)
    return plain
