"""A session machine in hand: inputs at chosen times, effects by their kind, every event read strictly."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from vivavoce.audio.clip import TICKS_PER_MS, Clip
from vivavoce.protocol.decode import decode_client_event
from vivavoce.protocol.encode import encode_server_event
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.ids import IdSource
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.effects import Effect, Generate, Hear, Send
from vivavoce.session.options import SessionOptions
from vivavoce.session.session import RealtimeSession
from vivavoce.session.signals import Signal, SpeechProbability
from vivavoce.testing.strict import read_frame

E = TypeVar("E")

CLIENT = "client"


def clip(ms: int, rate_hz: int = 24_000) -> Clip:
    """Some sound of a length."""
    return Clip(b"\x01\x00" * (rate_hz * ms // 1000), rate_hz)


class Rig:
    """One session. `now_ms` moves only when it is told to."""

    def __init__(self, *, speaks: bool = False, prepares: bool = False, **options: Any) -> None:
        self.ids = IdSource("rig")
        self.now_ms = 0
        self.machine = RealtimeSession(
            SessionObject(id="sess_1", model="m"),
            self.ids.new,
            SessionOptions(**options),
            0,
            engine_speaks=speaks,
            engine_prepares=prepares,
        )
        self.machine.attach(CLIENT, 0)
        self.effects: list[Effect] = []
        self.events: list[dict[str, Any]] = []
        self._drain()

    def send(self, type_: str, **fields: Any) -> None:
        """A client event, over the decoder as from the wire."""
        try:
            event = decode_client_event(json.dumps({"type": type_, **fields}))
        except ClientError as error:
            self.machine.refuse(error, CLIENT)
        else:
            self.machine.receive(event, CLIENT, self.now_ms)
        self._drain()

    def say(self, text: str, **fields: Any) -> None:
        """A user's text item."""
        content = [{"type": "input_text", "text": text}]
        self.send(
            "conversation.item.create", item={"type": "message", "role": "user", "content": content, **fields}
        )

    def signal(self, signal: Signal) -> None:
        """Something the engine says."""
        self.machine.signal(signal, self.now_ms)
        self._drain()

    def hear(self, ms: int, p: float, window_ms: int = 20) -> None:
        """Input audio, judged window by window; the clock goes with it."""
        for _ in range(ms // window_ms):
            self.machine.receive_audio(clip(window_ms), self.now_ms)
            self.now_ms += window_ms
            hear = [effect for effect in self.machine.drain() if isinstance(effect, Hear)]
            self.signal(SpeechProbability(hear[-1].frame.end, p))

    def tick(self, now_ms: int) -> None:
        """Time passes."""
        self.now_ms = now_ms
        self.machine.tick(now_ms)
        self._drain()

    def of(self, kind: type[E]) -> list[E]:
        """All effects of a kind, oldest first."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def of_type(self, name: str) -> list[dict[str, Any]]:
        """All events of a type, oldest first."""
        return [event for event in self.events if event["type"] == name]

    @property
    def generation(self) -> str:
        """The newest generation asked for."""
        return self.of(Generate)[-1].generation

    @property
    def codes(self) -> list[str]:
        """The codes of all errors."""
        return [event["error"]["code"] for event in self.of_type("error")]

    def _drain(self) -> None:
        while effects := self.machine.drain():
            for effect in effects:
                self.effects.append(effect)
                if isinstance(effect, Send):
                    self.events.append(read_frame(encode_server_event(effect.event)))


def ticks(ms: int) -> int:
    """Milliseconds as media ticks."""
    return ms * TICKS_PER_MS
