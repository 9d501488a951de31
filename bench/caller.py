"""One simulated caller: what it sends chunk by chunk, and what it makes of the events it gets.

It speaks, is silent until the answer came and would have been heard to its end, pauses, and speaks again. Silence is sent as
chunks too, as microphones do. Media positions count the audio it sent, as the server's media clock does.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import msgspec
import pybase64

from bench.sound import BYTES_PER_MS, chunks, silence
from bench.wire import frame

EndOfTurn = Literal["window", "reported"]


@dataclass(frozen=True)
class Pattern:
    """How every caller of a run behaves; times in milliseconds.

    utterances: PCM16 at 24 kHz, said in turn.
    between: what the microphone hears while nobody speaks, over and over; digital silence when empty.
    silence_ms: the silence window the server is asked for.
    listens_ms: of a longer answer only this much is listened to (once all of it has come).
    end_of_turn: which chunk completes that window. "window": the one that ends `silence_ms` behind the utterance's last chunk;
        right where voice activity ends with the utterance (energy). "reported": the first one that reaches `audio_end_ms` of
        `speech_stopped`, which is where a model that judges windows of its own found the silence complete.
    """

    utterances: tuple[bytes, ...]
    chunk_ms: int = 20
    silence_ms: int = 500
    pause_ms: int = 600
    listens_ms: int = 60_000
    patience_ms: int = 10_000
    end_of_turn: EndOfTurn = "window"
    between: bytes = b""

    @cached_property
    def spoken(self) -> tuple[tuple[bytes, ...], ...]:
        """Each utterance as ready frames."""
        return tuple(
            tuple(append_frame(chunk) for chunk in chunks(said, self.chunk_ms)) for said in self.utterances
        )

    @cached_property
    def silent(self) -> tuple[bytes, ...]:
        """Silence as ready frames, to be sent in turn."""
        return tuple(
            append_frame(chunk) for chunk in chunks(self.between or silence(self.chunk_ms), self.chunk_ms)
        )


@dataclass(slots=True)
class Turn:
    """One turn as it was met with. Moments are seconds of the client's clock, positions milliseconds of sent audio."""

    begun_s: float
    speech_end_ms: int = 0
    completed_s: float = 0.0
    """When the chunk that completes the silence window was sent."""
    stopped_s: float = 0.0
    lag_ms: float = 0.0
    """Audio sent but not yet judged when `speech_stopped` came: the server's media clock behind the client's."""
    first_audio_s: float = 0.0
    last_audio_s: float = 0.0
    answer_ms: float = 0.0
    longest_delta_ms: float = 0.0
    done_s: float = 0.0
    status: str = ""
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """The response was completed, and something was heard of it."""
        return self.status == "completed" and self.answer_ms > 0

    @property
    def added_ms(self) -> float:
        """First audio behind the end of the turn."""
        return (self.first_audio_s - self.completed_s) * 1000


class _Details(msgspec.Struct):
    status: str = ""
    vivavoce: dict[str, object] = {}


class _Event(msgspec.Struct):
    type: str
    delta: object = None
    audio_end_ms: int = 0
    response: _Details | None = None
    error: object = None


_decode = msgspec.json.Decoder(_Event).decode
_AUDIO_DELTAS = frozenset({"response.output_audio.delta", "response.audio.delta"})


class Caller:
    """A state machine: `next_frame` on every chunk's time, `hear` on every event."""

    def __init__(self, pattern: Pattern, offset: int = 0) -> None:
        """`offset` chooses the utterance it begins with."""
        self.turns: list[Turn] = []
        self.errors: list[str] = []
        self.ready = False
        self.sent_s = array("d")
        """When each chunk was sent."""
        self._pattern = pattern
        self._said = offset
        self._left: list[bytes] = []
        self._turn: Turn | None = None
        self._speaks_at_s = 0.0
        self._audio_ms = 0.0

    @property
    def busy(self) -> bool:
        """A turn is under way."""
        return self._turn is not None

    def next_frame(self, now_s: float, may_speak: bool) -> bytes:
        """The chunk that is due; it counts as sent at `now_s`. A new turn begins only when `may_speak`."""
        pattern = self._pattern
        if self._turn is None and may_speak and now_s >= self._speaks_at_s:
            self._begin(now_s)
        chosen = self._left.pop() if self._left else pattern.silent[len(self.sent_s) % len(pattern.silent)]
        self.sent_s.append(now_s)
        turn = self._turn
        if turn is not None and not self._left and not turn.speech_end_ms:
            turn.speech_end_ms = len(self.sent_s) * pattern.chunk_ms
        if turn is not None and turn.speech_end_ms and not turn.done_s:
            waited_ms = len(self.sent_s) * pattern.chunk_ms - turn.speech_end_ms
            if waited_ms > pattern.silence_ms + pattern.patience_ms:
                self._end("unanswered", now_s)
        return chosen

    def hear(self, message: bytes, now_s: float) -> None:
        """Take an event that arrived at `now_s`."""
        event = _decode(message)
        turn = self._turn
        if event.type == "session.updated":
            self.ready = True
        elif event.type == "error":
            self.errors.append(message[:300].decode(errors="replace"))
        elif turn is None:
            return
        elif event.type == "input_audio_buffer.speech_stopped":
            self._stopped(turn, event.audio_end_ms, now_s)
        elif event.type in _AUDIO_DELTAS:
            self._audio(turn, event.delta, now_s)
        elif event.type == "response.done" and turn.stopped_s:
            details = event.response or _Details()
            turn.extra = details.vivavoce
            self._end(details.status, now_s)

    def _begin(self, now_s: float) -> None:
        pattern = self._pattern
        self._left = list(reversed(pattern.spoken[self._said % len(pattern.spoken)]))
        self._said += 1
        self._turn = Turn(now_s)
        self.turns.append(self._turn)

    def _stopped(self, turn: Turn, audio_end_ms: int, now_s: float) -> None:
        """The last one before the answer counts: a long utterance may be taken for several turns."""
        if turn.answer_ms:
            return
        pattern = self._pattern
        turn.stopped_s = now_s
        turn.lag_ms = len(self.sent_s) * pattern.chunk_ms - audio_end_ms
        end_ms = turn.speech_end_ms + pattern.silence_ms if pattern.end_of_turn == "window" else audio_end_ms
        completing = -(-end_ms // pattern.chunk_ms) - 1
        # A server that stops before the window is over was asked for something else: no figure comes of that.
        turn.completed_s = self.sent_s[completing] if 0 <= completing < len(self.sent_s) else 0.0

    def _audio(self, turn: Turn, delta: object, now_s: float) -> None:
        encoded = str(delta)
        length_ms = (len(encoded) * 3 // 4 - encoded.count("=", -2)) / BYTES_PER_MS
        if not turn.answer_ms:
            turn.first_audio_s = now_s
        turn.last_audio_s = now_s
        turn.answer_ms += length_ms
        turn.longest_delta_ms = max(turn.longest_delta_ms, length_ms)

    def _end(self, status: str, now_s: float) -> None:
        turn = self._turn
        assert turn is not None
        turn.done_s, turn.status = now_s, status
        heard_s = max(now_s, turn.first_audio_s + min(turn.answer_ms, self._pattern.listens_ms) / 1000)
        self._speaks_at_s = heard_s + self._pattern.pause_ms / 1000
        self._turn = None


def append_frame(pcm: bytes) -> bytes:
    """An `input_audio_buffer.append` as a frame."""
    return frame(b'{"type":"input_audio_buffer.append","audio":"' + pybase64.b64encode(pcm) + b'"}')


def session_update(silence_ms: int) -> bytes:
    """The session every caller asks for, as a frame: server voice activity with this silence window, everything else default."""
    detection = {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": silence_ms,
        "create_response": True,
        "interrupt_response": True,
    }
    session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    return frame(msgspec.json.encode({"type": "session.update", "session": session}))
