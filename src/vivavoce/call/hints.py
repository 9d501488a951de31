"""Hints: what is likely wrong with a client, named.

The mistakes that the documentation lists as reasons for silence, chipmunk voices and agents that talk to themselves. An observer on the
driver's hook looks for them; nobody but whoever runs the server hears of it (the log, once each; `GET /v1/vivavoce/calls/ID/hints`).
It holds no timers and looks at no samples; what needs time to become certain is looked at when something else happens.
docs/adr/0023-hints.md says how each is told from what is right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vivavoce.audio.clip import TICKS_PER_MS
from vivavoce.call.driver import Received
from vivavoce.call.echo import repeats
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import FunctionCallItem, FunctionCallOutputItem
from vivavoce.protocol.session_objects import ServerVad
from vivavoce.protocol.sessions import BETA_SESSION_KEYS
from vivavoce.session.effects import Configure, Hear, Play, Send
from vivavoce.session.signals import TranscriptFinished

log = logging.getLogger("vivavoce.call")

RESPONSE_AWAITED_MS: Final = 3000
TRUNCATION_AWAITED_MS: Final = 2000
UNHEARD_MS: Final = 500
"""So much of an answer must be left to play when the caller cuts in, for a truncation to be missed."""
PACE_WINDOW_MS: Final = 8000
PACE_GAP_MS: Final = 400
"""A longer pause between two pieces of input is a microphone that was switched off: the measurement begins anew."""
TWICE: Final = (1.6, 2.4)
SLOW: Final = (0.2, 0.9)
RESUMED_MS: Final = 700
"""Whoever speaks again so soon after a turn was taken to be over had not finished."""
CUT_SHORT: Final = 3
SPOKEN_KEPT_MS: Final = 15_000
FRAME_LOOKED_AT: Final = 100_000
"""Larger frames are not looked at for a mistake in the session."""

TEXTS: Final = {
    "tool_output_without_response": "A tool's output was sent, but no response.create within 3 s: the model does not answer a "
    "function_call_output by itself. Send response.create when all outputs of the turn are there.",
    "input_faster_than_real_time": "Input audio arrives about twice as fast as real time: probably 48 kHz audio is declared as 24 kHz, "
    "or stereo as mono. Resample to the rate of session.audio.input.format.",
    "input_slower_than_real_time": "Input audio arrives slower than real time: probably 8 or 16 kHz audio is declared as 24 kHz. "
    "Resample to the rate of session.audio.input.format.",
    "interruption_without_truncation": "The caller cut in while part of an answer was still to be played, and no "
    "conversation.item.truncate followed: stop playing, clear what is queued, and send truncate with what was heard, or the model "
    "believes that all of it was.",
    "own_voice_heard": "What the caller is heard to say is what the agent has just said: its voice gets into the microphone. Use echo "
    "cancellation or headphones, or do not send audio while the agent speaks.",
    "flat_session": "The session object is flat, in the shape of the beta API: send the header OpenAI-Beta: realtime=v1 (or the "
    "sub-protocol openai-beta.realtime-v1), or nest it as the current API wants (session.audio.input, session.audio.output).",
    "turns_cut_short": "Three turns went on within 0.7 s after they were taken to be over: silence_duration_ms is too short for this "
    "caller. Raise it, or use semantic_vad.",
}
"""What is told of each, by code."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A likely mistake. `at_ms`: when it was seen first, counted from the call's beginning."""

    code: str
    message: str
    at_ms: int


class Hints:
    """The observer of one call."""

    def __init__(self, call_id: str) -> None:
        self.found: dict[str, Hint] = {}
        self._call_id = call_id
        self._begun_ms: int | None = None
        self._over_ms: int | None = None
        self._tools = ToolTurns()
        self._pace = Pace()
        self._player = Player()
        self._client = ClientClock()
        self._pauses = Pauses()
        self._frame: bytes | str = b""

    def __call__(self, what: object, now_ms: int) -> None:
        """See an input or an effect (call/driver.py: Observer)."""
        handler = _ON.get(type(what))
        if handler is not None:
            self._note(handler(self, what, now_ms), now_ms)

    def over(self, now_ms: int) -> None:
        """The call has ended: whoever has hung up is not late with anything."""
        self._over_ms = now_ms

    def look(self, now_ms: int) -> list[Hint]:
        """What was found up to now, oldest first."""
        now_ms = now_ms if self._over_ms is None else self._over_ms
        for overdue in (self._tools.overdue(now_ms), self._player.overdue(now_ms)):
            self._note(overdue, now_ms)
        return sorted(self.found.values(), key=lambda hint: hint.at_ms)

    def _note(self, code: str | None, now_ms: int) -> None:
        if self._begun_ms is None:
            self._begun_ms = now_ms
        if code is None or code in self.found:
            return
        self.found[code] = Hint(code, TEXTS[code], now_ms - self._begun_ms)
        log.warning("call %s: hint %s: %s", self._call_id, code, TEXTS[code])

    # --- effects and signals --------------------------------------------------------------------------------------------

    def _hear(self, effect: Hear, now_ms: int) -> str | None:
        self._pauses.position = effect.frame.end
        self._client.heard(effect.frame.end // TICKS_PER_MS, now_ms)
        return self._pace.heard(effect.frame.end // TICKS_PER_MS, now_ms)

    def _play(self, effect: Play, now_ms: int) -> str | None:
        self._player.play(effect.part.item_id, effect.clip.ticks // TICKS_PER_MS, self._client.at(now_ms))
        return None

    def _send(self, effect: Send, now_ms: int) -> str | None:
        self._note(self._tools.overdue(now_ms), now_ms)
        self._note(self._player.overdue(now_ms), now_ms)
        handler = _ON_EVENT.get(type(effect.event))
        return None if handler is None else handler(self, effect.event, now_ms)

    def _configure(self, effect: Configure, now_ms: int) -> str | None:
        detection = effect.session.audio.input.turn_detection
        self._pauses.judged_by_silence = isinstance(detection, ServerVad)
        self._player.interrupts = detection is not None and detection.interrupt_response
        return None

    def _heard(self, signal: TranscriptFinished, now_ms: int) -> str | None:
        return "own_voice_heard" if self._player.is_own_voice(signal.item_id, signal.text) else None

    # --- events ---------------------------------------------------------------------------------------------------------

    def _item(self, event: se.ConversationItemAdded, now_ms: int) -> str | None:
        if isinstance(event.item, FunctionCallItem):
            self._tools.called(event.item.call_id)
        elif isinstance(event.item, FunctionCallOutputItem):
            self._tools.answered(event.item.call_id, event.item.id, now_ms)
        return None

    def _deleted(self, event: se.ConversationItemDeleted, now_ms: int) -> str | None:
        self._tools.deleted(event.item_id)
        return None

    def _response_created(self, event: se.ResponseCreated, now_ms: int) -> str | None:
        self._tools.response_created(event.response.id)
        return None

    def _response_done(self, event: se.ResponseDone, now_ms: int) -> str | None:
        self._tools.response_done(event.response.id, now_ms)
        return None

    def _truncated(self, event: se.ConversationItemTruncated, now_ms: int) -> str | None:
        self._player.truncated(event.item_id)
        return None

    def _speech_started(self, event: se.InputAudioBufferSpeechStarted, now_ms: int) -> str | None:
        self._player.speech_started(event.item_id, self._client.at(now_ms), now_ms)
        return "turns_cut_short" if self._pauses.started() else None

    def _speech_stopped(self, event: se.InputAudioBufferSpeechStopped, now_ms: int) -> str | None:
        self._pauses.stopped()
        return None

    def _said(self, event: se.ResponseOutputAudioTranscriptDelta, now_ms: int) -> str | None:
        self._player.said(event.item_id, event.delta, self._client.at(now_ms))
        return None

    def _transcribed(
        self, event: se.ConversationItemInputAudioTranscriptionCompleted, now_ms: int
    ) -> str | None:
        # Where an upstream hears, this is all that is known of what it heard.
        return "own_voice_heard" if self._player.is_own_voice(event.item_id, event.transcript) else None

    def _received(self, frame: Received, now_ms: int) -> str | None:
        # Kept until the next one comes, in case it is refused; nothing of interest is as large as sound.
        self._frame = frame.data if len(frame.data) < FRAME_LOOKED_AT else b""
        return None

    def _error(self, event: se.ErrorEvent, now_ms: int) -> str | None:
        refused = event.error.code, event.error.param
        flat = refused[0] == "unknown_parameter" and refused[1] in _FLAT
        # A flat session has no type either, and that is what it is refused for first.
        if refused == ("missing_required_parameter", "session.type"):
            flat = any(key in self._session_keys() for key in BETA_SESSION_KEYS)
        return "flat_session" if flat else None

    def _session_keys(self) -> Collection[str]:
        try:
            return msgspec.json.decode(self._frame, type=_SessionUpdate).session
        except (ValueError, RecursionError):
            return ()


class _SessionUpdate(msgspec.Struct):
    session: dict[str, msgspec.Raw]


_FLAT: Final = frozenset(f"session.{key}" for key in BETA_SESSION_KEYS)

Handler = Callable[[Hints, Any, int], str | None]

_ON: Final[dict[type, Handler]] = {
    Received: Hints._received,
    Hear: Hints._hear,
    Play: Hints._play,
    Send: Hints._send,
    Configure: Hints._configure,
    TranscriptFinished: Hints._heard,
}
_ON_EVENT: Final[dict[type, Handler]] = {
    se.ConversationItemAdded: Hints._item,
    se.ConversationItemDeleted: Hints._deleted,
    se.ResponseCreated: Hints._response_created,
    se.ResponseDone: Hints._response_done,
    se.ConversationItemTruncated: Hints._truncated,
    se.InputAudioBufferSpeechStarted: Hints._speech_started,
    se.InputAudioBufferSpeechStopped: Hints._speech_stopped,
    se.ResponseOutputAudioTranscriptDelta: Hints._said,
    se.ConversationItemInputAudioTranscriptionCompleted: Hints._transcribed,
    se.ErrorEvent: Hints._error,
}


class ToolTurns:
    """Tool calls, their outputs, and whether an answer is asked for once all of them are there."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._running: set[str] = set()
        self._outputs: set[str] = set()
        self._since_ms: int | None = None

    def called(self, call_id: str) -> None:
        """The model wants a tool."""
        self._open.add(call_id)

    def answered(self, call_id: str, item_id: str, now_ms: int) -> None:
        """A tool's output is there. While others are still awaited, so is `response.create`."""
        self._open.discard(call_id)
        self._outputs.add(item_id)
        self._since_ms = None if self._open else now_ms

    def response_created(self, response_id: str) -> None:
        """Somebody asked for an answer."""
        self._running.add(response_id)
        self._outputs.clear()
        self._since_ms = None

    def deleted(self, item_id: str) -> None:
        """An output that was taken back, as in a handoff to another agent, wants no answer."""
        self._outputs.discard(item_id)
        if not self._outputs:
            self._since_ms = None

    def response_done(self, response_id: str, now_ms: int) -> None:
        """While an answer was being given, no other could be asked for."""
        self._running.discard(response_id)
        if self._since_ms is not None:
            self._since_ms = now_ms

    def overdue(self, now_ms: int) -> str | None:
        """Whether nobody asked for an answer in time."""
        if self._since_ms is None or self._running or now_ms - self._since_ms < RESPONSE_AWAITED_MS:
            return None
        self._since_ms = None
        return "tool_output_without_response"


class Pace:
    """Input audio against the clock, in windows of some seconds."""

    def __init__(self) -> None:
        self._from_ms = 0
        self._heard_from_ms = 0
        self._last_ms: int | None = None

    def heard(self, position_ms: int, now_ms: int) -> str | None:
        """Input up to a position of the media clock has arrived."""
        last_ms, self._last_ms = self._last_ms, now_ms
        if last_ms is None or now_ms - last_ms > PACE_GAP_MS:
            self._from_ms, self._heard_from_ms = now_ms, position_ms
            return None
        took_ms = now_ms - self._from_ms
        if took_ms < PACE_WINDOW_MS:
            return None
        pace = (position_ms - self._heard_from_ms) / took_ms
        self._from_ms, self._heard_from_ms = now_ms, position_ms
        if TWICE[0] <= pace <= TWICE[1]:
            return "input_faster_than_real_time"
        # Far slower is no sample rate, and far faster is a file that is being sent.
        return "input_slower_than_real_time" if SLOW[0] <= pace <= SLOW[1] else None


class ClientClock:
    """The client's time. It is ours, unless more sound comes in than time goes by: a file is sent, or a rehearsal runs faster than life."""

    def __init__(self) -> None:
        self._ms = 0
        self._heard_ms = 0

    def heard(self, position_ms: int, now_ms: int) -> None:
        """Input up to a position of the media clock has arrived."""
        self._ms = max(now_ms, self._ms + position_ms - self._heard_ms)
        self._heard_ms = position_ms

    def at(self, now_ms: int) -> int:
        """The client's time at a moment of ours, in ms."""
        return max(now_ms, self._ms)


class Player:
    """What the client plays, as far as can be known: it begins when it gets the sound, and plays at the speed of sound.

    `client_ms` is the client's time, `now_ms` ours.
    """

    def __init__(self) -> None:
        self.interrupts = True
        self._item_id = ""
        self._ends_ms = 0
        self._untruncated: dict[str, int] = {}
        self._said: dict[str, tuple[int, str]] = {}
        self._over_agent: str | None = None

    def play(self, item_id: str, length_ms: int, client_ms: int) -> None:
        """More sound was sent."""
        self._item_id = item_id
        self._ends_ms = max(self._ends_ms, client_ms) + length_ms

    def said(self, item_id: str, delta: str, client_ms: int) -> None:
        """More words of what is being played."""
        if item_id not in self._said:
            kept = {name: said for name, said in self._said.items() if said[0] > client_ms - SPOKEN_KEPT_MS}
            self._said = kept | {item_id: (client_ms, "")}
        self._said[item_id] = max(client_ms, self._ends_ms), self._said[item_id][1] + delta

    def speech_started(self, item_id: str, client_ms: int, now_ms: int) -> None:
        """Somebody speaks; whether over the agent's voice decides whose voice it may be."""
        self._over_agent = item_id if client_ms < self._ends_ms + UNHEARD_MS else self._over_agent
        if self.interrupts:
            self.cut_in(client_ms, now_ms)

    def cut_in(self, client_ms: int, now_ms: int) -> None:
        """The client has to stop playing, and to say how far it came."""
        if self._ends_ms - client_ms > UNHEARD_MS:
            self._untruncated.setdefault(self._item_id, now_ms)
        self._ends_ms = min(self._ends_ms, client_ms)

    def truncated(self, item_id: str) -> None:
        """It has said so, perhaps before the caller's voice was noticed here."""
        self._untruncated.pop(item_id, None)
        if item_id == self._item_id:
            self._ends_ms = 0

    def overdue(self, now_ms: int) -> str | None:
        """Whether it has not said so in time."""
        if not self._untruncated or now_ms - min(self._untruncated.values()) < TRUNCATION_AWAITED_MS:
            return None
        self._untruncated.clear()
        return "interruption_without_truncation"

    def is_own_voice(self, item_id: str, text: str) -> bool:
        """Whether what was heard over the agent's voice is what the agent said."""
        return item_id == self._over_agent and any(repeats(text, said) for _, said in self._said.values())


class Pauses:
    """How soon callers go on after their turn was taken to be over, in media time."""

    def __init__(self) -> None:
        self.position = 0
        """Where the input is, in ticks."""
        self.judged_by_silence = True
        self._stopped_at: int | None = None
        self._cut_short = 0

    def stopped(self) -> None:
        """A turn was taken to be over."""
        self._stopped_at = self.position

    def started(self) -> bool:
        """The caller speaks again; True when that has been too soon too often."""
        stopped_at, self._stopped_at = self._stopped_at, None
        if stopped_at is None or not self.judged_by_silence:
            return False
        if self.position - stopped_at < RESUMED_MS * TICKS_PER_MS:
            self._cut_short += 1
        return self._cut_short >= CUT_SHORT
