"""What clients are told of the upstream's events: its own words, unless something is different here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from vivavoce.protocol.server_events import ForeignEvent, ServerEvent
from vivavoce.session.effects import Send

if TYPE_CHECKING:
    from vivavoce.engines.relay.mirror import Mirror

Wrong = str | None
"""Why an event cannot be; None where it can."""


def hand_on(mirror: Mirror, event: ServerEvent | ForeignEvent, frame: bytes) -> None:
    """To everybody, as it came."""
    mirror.outbox.put(Send(event, None, frame))


def again(mirror: Mirror, event: ServerEvent, **changes: Any) -> None:
    """In our words, since something of it is different here."""
    mirror.outbox.put(Send(msgspec.structs.replace(event, **changes)))


def hand_on_at(mirror: Mirror, event: ServerEvent, frame: bytes, **positions_ms: int) -> None:
    """In its own words, unless the upstream's clock began later than ours: then with the positions moved to our clock."""
    offset_ms = mirror.input.offset_ms
    if offset_ms:
        again(mirror, event, **{name: at_ms + offset_ms for name, at_ms in positions_ms.items()})
    else:
        hand_on(mirror, event, frame)
