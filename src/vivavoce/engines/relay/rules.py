"""What a relayed session goes by; a session keeps what it started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vivavoce.call.ports import Engine

HELLO_SLACK_MS = 800
"""How long after the last moment to connect the upstream may still greet: together it stays below five seconds."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Times in milliseconds (call/relay_settings.py).

    host: the upstream's, for whoever reads what its answers took.
    model: asked for instead of what clients name, where one is set.
    session_ms: age at which an upstream session is handed over; 0: never.
    stated: what the operator has set about every session, in the words of `session.update`.
    speech_s: so much of what callers said is kept, as long as nobody has put it into words.
    stand_in: the engine that goes on once the upstream is lost for good.
    via: other relays that the session has come through (call/via.py).
    """

    host: str
    model: str
    connect_ms: int
    silence_ms: int
    stall_ms: int
    session_ms: int
    speech_s: int
    stated: dict[str, Any]
    stand_in: Engine | None
    via: tuple[str, ...] = ()

    @property
    def hello_ms(self) -> int:
        """From dialling to the upstream's greeting."""
        return self.connect_ms + HELLO_SLACK_MS
