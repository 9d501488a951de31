"""The ear: what a session hears, from the first sample to the user's item.

It owns the input buffer, turn detection and the stretch of speech that is being listened to, and it makes the items. Sessions of every
kind own one; what a turn means to them (an answer, a line of text) is theirs, and `judge` says when.
"""

from __future__ import annotations

from dataclasses import dataclass

from vivavoce.audio.clip import TICKS_PER_MS, Clip, ms_to_ticks, ticks_to_ms
from vivavoce.audio.codec import AudioError, decode_audio
from vivavoce.protocol import client_events as ce
from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.items import InputAudio, MessageItem
from vivavoce.protocol.session_objects import AudioInputConfig, ServerVad
from vivavoce.session.clock import TurnClock
from vivavoce.session.conversation import Conversation
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.effects import Forget, Hear, JudgeTurn, Listen, Transcribe
from vivavoce.session.input_buffer import MINIMUM_COMMIT_MS, InputBuffer
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import Outbox
from vivavoce.session.signals import SpeechProbability, TurnCompleteness
from vivavoce.session.turns import Policy, Turn, TurnDetector

MANUAL = ServerVad()
"""In manual mode turn detection decides nothing, but speech is still listened to as it comes, so that a commit is quick."""

TRIM_SLACK = ms_to_ticks(100)
"""Held beyond the padding while nobody speaks: speech is known some windows after it began."""


@dataclass(slots=True)
class Heard:
    """The stretch of speech being listened to: the item it will become, and where it starts (padding included)."""

    item_id: str
    start: int


@dataclass(frozen=True, slots=True)
class TurnStep:
    """Something happened to the caller's turn; `item_id` is the item it is, or will be."""

    turn: Turn
    item_id: str


class Ear:
    """Hears audio, finds turns in it, and makes items of them (protocol reference 4.3, 4.4).

    engine_judges: the engine says how complete a turn sounds, which `semantic_vad` goes by.
    """

    def __init__(
        self,
        outbox: Outbox,
        conversation: Conversation,
        item_audio: ItemAudio,
        deadlines: Deadlines,
        options: SessionOptions,
        *,
        engine_judges: bool = False,
    ) -> None:
        self.config = AudioInputConfig()
        self.input = InputBuffer(options.item_audio_s)
        self.turns = TurnDetector(Policy.of(MANUAL, options.soft_pause_ms))
        self.heard: Heard | None = None
        self.clock = TurnClock()
        """Of the turn that was committed last."""
        self._outbox = outbox
        self._conversation = conversation
        self._item_audio = item_audio
        self._deadlines = deadlines
        self._engine_judges = engine_judges
        self._soft_pause_ms = options.soft_pause_ms

    def follow(self, config: AudioInputConfig) -> None:
        """The session's configuration is now this."""
        if self.config.turn_detection is None and config.turn_detection is not None:
            # Speech that began unannounced cannot end with an announcement: whoever still speaks begins anew.
            self.forget()
        self.config = config
        self.turns.policy = Policy.of(
            config.turn_detection or MANUAL, self._soft_pause_ms, judged=self._engine_judges
        )

    # --- audio ----------------------------------------------------------------------------------------------------------

    def read(self, event: ce.InputAudioBufferAppend) -> Clip:
        """The sound in an append event. Raises ClientError (param `audio`)."""
        try:
            return decode_audio(event.audio, self.config.format.type)
        except AudioError as error:
            raise ClientError("invalid_value", str(error), "audio", event.event_id) from None

    def receive(self, clip: Clip) -> None:
        """Input audio, at most 100 ms a piece."""
        if clip.pcm:
            self._outbox.put(Hear(self.input.append(clip)))

    # --- turns ----------------------------------------------------------------------------------------------------------

    def judge(self, signal: SpeechProbability, now_ms: int) -> TurnStep | None:
        """Take in a probability of speech; says what its session has to know of it."""
        turn = self.turns.judge(signal.at, signal.p)
        detection = self.config.turn_detection
        if turn is None:
            if detection is not None and self.turns.state == "quiet":
                # Earlier silence belongs to nobody; only what padding may still reach is held.
                self.input.trim(signal.at - self.turns.policy.prefix - TRIM_SLACK)
            return None
        if detection is None:
            # One item until it is committed, however often the caller pauses.
            return self._begin() if turn is Turn.STARTED and self.heard is None else None
        if turn is Turn.STARTED:
            return self._begin()
        assert self.heard is not None
        return self._go_on(turn, self.heard, signal.at, now_ms)

    def completeness(self, signal: TurnCompleteness) -> None:
        """How complete the turn sounds; of use only while the pause lasts that it was asked for."""
        if self.turns.state == "pausing" and signal.at == self.turns.voiced_until:
            self.turns.completeness = signal.p

    def waited_long_enough(self, now_ms: int) -> TurnStep | None:
        """The longest wait of a semantic turn is over, by the clock: the client may have stopped sending."""
        turn, heard = self.turns.give_up(), self.heard
        if turn is None or heard is None or self.config.turn_detection is None:
            return None
        return self._go_on(turn, heard, self.input.position, now_ms)

    def time_out(self, waited_ms: int, now_ms: int) -> str | None:
        """Nobody has said anything since the last answer was heard (protocol reference 4.12): that silence becomes an item.

        Returns its id, or None when somebody is speaking after all.
        """
        if self.heard is not None:
            return None
        item_id = self._outbox.new_id("item")
        # What was sent while the answer was still being heard is not part of the wait.
        start = max(self.input.open_from, self.input.position - ms_to_ticks(waited_ms))
        self._outbox.send(
            se.InputAudioBufferTimeoutTriggered,
            audio_start_ms=ticks_to_ms(start),
            audio_end_ms=ticks_to_ms(self.input.position),
            item_id=item_id,
        )
        self.clock = TurnClock()
        self.clock.mark("vad_stop", now_ms)
        self._commit(item_id, start, timed_out=True)
        return item_id

    def _go_on(self, turn: Turn, heard: Heard, at: int, now_ms: int) -> TurnStep:
        patience = self.turns.policy.patience
        if turn is Turn.STOPPED:
            self._deadlines.clear("turn")
            self._end(heard, at, now_ms)
        elif turn is Turn.RESUMED:
            self._deadlines.clear("turn")
        elif patience is not None:
            silence_ms = (at - self.turns.voiced_until) // TICKS_PER_MS
            self._deadlines.set("turn", now_ms + patience.longest_ms - silence_ms)
            self._outbox.put(JudgeTurn(heard.item_id, self.turns.voiced_until))
        return TurnStep(turn, heard.item_id)

    def _begin(self) -> TurnStep:
        start = max(self.input.open_from, self.turns.started_at - self.turns.policy.prefix)
        self.heard = Heard(self._outbox.new_id("item"), start)
        item_id = self.heard.item_id
        if self.config.turn_detection is not None:
            self._outbox.send(
                se.InputAudioBufferSpeechStarted, audio_start_ms=ticks_to_ms(start), item_id=item_id
            )
        self._outbox.put(Listen(item_id, self.input.since(start)))
        return TurnStep(Turn.STARTED, item_id)

    def _end(self, heard: Heard, at: int, now_ms: int) -> None:
        self._outbox.send(
            se.InputAudioBufferSpeechStopped, audio_end_ms=ticks_to_ms(at), item_id=heard.item_id
        )
        self.clock = TurnClock()
        silence_ms = (self.input.position - self.turns.voiced_until) // TICKS_PER_MS
        self.clock.mark("speech_end", now_ms - silence_ms)
        self.clock.mark("vad_stop", now_ms)
        self._commit(heard.item_id, heard.start)

    # --- by hand --------------------------------------------------------------------------------------------------------

    def check_commit(self) -> None:
        """Raise ClientError unless there is enough to commit."""
        if self.input.buffered < ms_to_ticks(MINIMUM_COMMIT_MS):
            raise errors.commit_empty(self.input.buffered / TICKS_PER_MS)

    def commit(self, now_ms: int) -> str:
        """The client ends the turn: everything since the last item is one. Returns its id; to be checked before."""
        self._reset_turn()
        item_id = self.heard.item_id if self.heard else self._outbox.new_id("item")
        speaking = self.heard is not None and self.config.turn_detection is not None
        start = self.heard.start if self.heard and speaking else self.input.open_from
        self.clock = TurnClock()
        self.clock.mark("vad_stop", now_ms)
        self._commit(item_id, start)
        return item_id

    def clear(self) -> None:
        """The client drops what it sent and nobody has answered."""
        self.forget()
        self.input.clear()
        self._outbox.send(se.InputAudioBufferCleared)

    def forget(self) -> None:
        """Whatever is being said is not going to be an item."""
        self._reset_turn()
        if self.heard is not None:
            self._outbox.put(Forget(self.heard.item_id))
            self.heard = None

    def _reset_turn(self) -> None:
        self.turns.reset()
        self._deadlines.clear("turn")

    def _commit(self, item_id: str, start: int, *, timed_out: bool = False) -> None:
        """The audio from `start` on becomes a user's item."""
        self.heard = None
        frames = self.input.commit(start)
        self._item_audio.add(item_id, [frame.clip for frame in frames])
        item = MessageItem(id=item_id, role="user", status="completed", content=[InputAudio(transcript=None)])
        previous = self._conversation.insert(item)
        self._outbox.send(se.InputAudioBufferCommitted, previous_item_id=previous, item_id=item_id)
        self._outbox.announce(item, previous)
        self._outbox.put(Transcribe(item_id, frames, timed_out))
