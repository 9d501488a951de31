"""The raw events of a call, for the page: sound is counted, not kept, and runs of it become one entry."""

from __future__ import annotations

from typing import Any, Literal

from vivavoce.demo.record import LoggedEvent
from vivavoce.demo.sound import milliseconds_of

AUDIO = {"input_audio_buffer.append": "audio", "response.output_audio.delta": "delta"}


class WireLog:
    """Every event of both sides in the order it was seen."""

    def __init__(self) -> None:
        self.events: list[LoggedEvent] = []
        self._running: dict[str, LoggedEvent] = {}

    def sent(self, event: dict[str, Any], at_ms: int) -> None:
        """The client sent an event."""
        self._note("client", event, at_ms)

    def received(self, event: dict[str, Any], at_ms: int) -> None:
        """The server sent an event."""
        self._note("server", event, at_ms)

    def _note(self, sender: Literal["client", "server"], event: dict[str, Any], at_ms: int) -> None:
        kind = str(event.get("type"))
        sound = AUDIO.get(kind)
        if sound is None:
            # The microphone never stops; its run of appends goes on across whatever the server says meanwhile.
            if sender == "server":
                self._running.pop("response.output_audio.delta", None)
            self.events.append(LoggedEvent(at_ms, sender, kind, event, until_ms=at_ms))
            if kind in ENDS_APPENDS:
                self._running.pop("input_audio_buffer.append", None)
            return
        encoded = event.get(sound)
        length_ms = milliseconds_of(len(encoded) * 3 // 4) if isinstance(encoded, str) else 0
        run = self._running.get(kind)
        if run is None:
            shown = {**event, sound: "(sound)"}
            run = self._running[kind] = LoggedEvent(at_ms, sender, kind, shown, 0, 0, at_ms)
            self.events.append(run)
        run.count += 1
        run.audio_ms += length_ms
        run.until_ms = at_ms


ENDS_APPENDS = frozenset(
    {"input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed"}
)
"""Where it matters up to which moment the microphone had been sent."""
