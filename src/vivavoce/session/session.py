"""The conversation session: a deterministic, synchronous machine made of small machines.

House laws
    1. One writer.
    2. One input, then drain to empty, before the next input.
    3. No clock, no ids, no randomness of its own: `now_ms` and an id source are handed in.
    4. Every output of an engine carries a generation id handed out here; output of a generation that is not open is dropped,
       never waited for.
    5. A client's mistake becomes one `error` event and leaves the state untouched. Anything else raised is our bug and ends the
       call with `server_error`.
    6. Integers for time: deadlines in milliseconds, media positions in ticks of 1/48000 s. Speech start, stop and silence count
       media time; everything else counts `now_ms`.
    7. Audio is (length, reference); nobody here looks at samples.

Input goes in by `attach`, `detached`, `receive`, `receive_audio`, `signal` and `tick`; effects come out of `drain`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from vivavoce.audio.clip import TICKS_PER_MS, Clip, Frame, ms_to_ticks, ticks_to_ms
from vivavoce.audio.codec import AudioError, decode_audio, encode_audio
from vivavoce.protocol import client_events as ce
from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    Item,
    MessageItem,
    OutputAudio,
)
from vivavoce.protocol.responses import DurationUsage, ErrorDetail, TranscriptionErrorDetail
from vivavoce.protocol.session_objects import ServerVad, SessionObject
from vivavoce.protocol.sessions import merge_session, override_response
from vivavoce.session.clock import TurnClock
from vivavoce.session.conversation import Conversation, snapshot, spoken_part
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.effects import Configure, Effect, Forget, Hangup, Hear, Listen, Transcribe
from vivavoce.session.floor import Floor
from vivavoce.session.input_buffer import MINIMUM_COMMIT_MS, InputBuffer
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import NewId, Outbox
from vivavoce.session.playback import Playback
from vivavoce.session.signals import (
    Signal,
    SpeechProbability,
    TranscriptDelta,
    TranscriptFailed,
    TranscriptFinished,
)
from vivavoce.session.turns import Policy, Turn, TurnDetector
from vivavoce.session.usage import Ledger

MANUAL = ServerVad()
"""In manual mode turn detection decides nothing, but speech is still listened to as it comes, so that a commit is quick."""


@dataclass(slots=True)
class Heard:
    """The stretch of speech being listened to: the item it will become, and where it starts (padding included)."""

    item_id: str
    start: int


class RealtimeSession:
    """A session of type "realtime". See the module's docstring for how to drive it."""

    def __init__(
        self,
        opening: SessionObject,
        new_id: NewId,
        options: SessionOptions,
        now_ms: int,
        *,
        engine_speaks: bool = False,
        engine_prepares: bool = False,
    ) -> None:
        self.config = opening
        self.options = options
        self.conversation = Conversation(new_id("conv"))
        self.deadlines = Deadlines()
        self.input = InputBuffer(options.item_audio_s)
        self.item_audio = ItemAudio(options.item_audio_s, options.call_audio_bytes)
        self.playback = Playback(self.item_audio)
        self.turns = TurnDetector(Policy.of(MANUAL, options.soft_pause_ms))
        self.heard: Heard | None = None
        self.primary: str | None = None
        self._outbox = Outbox(new_id)
        self._prepares = engine_prepares and options.soft_pause_ms > 0
        self._clock = TurnClock()
        ledger = Ledger(options.count_text, self.item_audio)
        self.floor = Floor(
            self._outbox,
            self.conversation,
            self.playback,
            self.deadlines,
            ledger,
            options,
            engine_speaks=engine_speaks,
        )
        self.deadlines.set("expiry", now_ms + options.max_duration_s * 1000)
        self._follow_config()

    # --- verbs ----------------------------------------------------------------------------------------------------------

    def attach(self, source: str, now_ms: int) -> None:
        """Somebody joins; the first one is the primary connection and carries the audio."""
        if self.primary is None:
            self.primary = source
        self._outbox.send(se.SessionCreated, to=source, session=self.config)

    def detached(self, source: str, now_ms: int) -> None:
        """Somebody left. Without its primary connection a call is over."""
        if source == self.primary:
            self._outbox.put(Hangup(1000, "the primary connection was closed"))

    def receive(self, event: ClientEvent, source: str, now_ms: int) -> None:
        """Apply a client event (anything but audio, which goes by `receive_audio`)."""
        try:
            HANDLERS[type(event)](self, event, source, now_ms)
        except ClientError as error:
            if error.event_id is None:
                error.event_id = event.event_id
            self.refuse(error, source)

    def refuse(self, error: ClientError, source: str) -> None:
        """Tell one attachment about its mistake; nothing else changes (house law 5)."""
        detail = ErrorDetail(
            type=error.type,
            code=error.code,
            message=error.message,
            param=error.param,
            event_id=error.event_id,
        )
        self._outbox.send(se.ErrorEvent, to=source, error=detail)

    def read_audio(self, event: ce.InputAudioBufferAppend) -> Clip:
        """The sound in an append event, for a driver that cuts it to frames. Raises ClientError (param `audio`)."""
        try:
            return decode_audio(event.audio, self.config.audio.input.format.type)
        except AudioError as error:
            raise ClientError("invalid_value", str(error), "audio", event.event_id) from None

    def receive_audio(self, clip: Clip, now_ms: int) -> None:
        """Input audio, at most 100 ms a piece."""
        if clip.pcm:
            self._outbox.put(Hear(self.input.append(clip)))

    def signal(self, signal: Signal, now_ms: int) -> None:
        """Apply what an engine says."""
        match signal:
            case SpeechProbability():
                self._judge(signal, now_ms)
            case TranscriptDelta():
                pass  # The realtime session tells a transcript once it is final; see docs/adr/0005.
            case TranscriptFinished():
                self._transcribed(signal, now_ms)
            case TranscriptFailed():
                self._not_transcribed(signal, now_ms)
            case _:
                self.floor.signal(self.config, signal, now_ms)

    def tick(self, now_ms: int) -> None:
        """Time has passed: run whatever is due."""
        for name in self.deadlines.due(now_ms):
            match name:
                case "lead":
                    self.floor.advance_all(self.config, now_ms)
                case "filler":
                    self.floor.filler_due(self.config, now_ms)
                case "expiry":  # pragma: no branch
                    self._expire()

    def next_deadline(self) -> int | None:
        """When `tick` is wanted next, in milliseconds."""
        return self.deadlines.next()

    def drain(self) -> list[Effect]:
        """Effects since the last drain, in order."""
        return self._outbox.drain()

    # --- the session itself ---------------------------------------------------------------------------------------------

    def _update_session(self, event: ce.SessionUpdate, source: str, now_ms: int) -> None:
        before = self.config.audio.input.turn_detection
        self.config = merge_session(
            self.config,
            event.session,
            silence_duration_ms=self.options.silence_duration_ms,
            spoken=self.playback.anything_sent,
        )
        if before is None and self.config.audio.input.turn_detection is not None:
            # Speech that began unannounced cannot end with an announcement: whoever still speaks begins anew.
            self._forget_heard()
        self._follow_config()
        self._outbox.send(se.SessionUpdated, session=self.config)

    def _follow_config(self) -> None:
        detection = self.config.audio.input.turn_detection
        self.turns.policy = Policy.of(detection or MANUAL, self.options.soft_pause_ms)
        self._outbox.put(Configure(self.config))

    def _expire(self) -> None:
        error = errors.session_expired(self.options.max_duration_s // 60)
        detail = ErrorDetail(type=error.type, code=error.code, message=error.message)
        self._outbox.send(se.ErrorEvent, error=detail)
        self._outbox.put(Hangup(1001, error.message))

    # --- what the caller says -------------------------------------------------------------------------------------------

    def _judge(self, signal: SpeechProbability, now_ms: int) -> None:
        turn = self.turns.judge(signal.at, signal.p)
        detection = self.config.audio.input.turn_detection
        match turn:
            case Turn.STARTED:
                self._speech_started(now_ms)
            case Turn.PAUSED if self._may_prepare():
                assert self.heard is not None
                self.floor.prepare(self.config, self.heard.item_id, now_ms)
            case Turn.RESUMED:
                self.floor.withdraw()
            case Turn.STOPPED if detection is not None:
                self._speech_stopped(signal.at, now_ms)
            case None if detection is not None and self.turns.state == "quiet":
                # Earlier silence belongs to nobody; only what padding may still reach is held.
                self.input.trim(signal.at - self.turns.policy.prefix - ms_to_ticks(100))

    def _speech_started(self, now_ms: int) -> None:
        detection = self.config.audio.input.turn_detection
        if detection is None and self.heard is not None:
            return  # Manual mode: one item until it is committed, however often the caller pauses.
        start = max(self.input.open_from, self.turns.started_at - self.turns.policy.prefix)
        self.heard = Heard(self._outbox.new_id("item"), start)
        if detection is not None:
            self._outbox.send(
                se.InputAudioBufferSpeechStarted,
                audio_start_ms=ticks_to_ms(start),
                item_id=self.heard.item_id,
            )
        self._outbox.put(Listen(self.heard.item_id, self.input.since(start)))
        # Nobody is put off while they speak; what they say is answered, and then the wait begins anew.
        self.deadlines.clear("filler")
        if detection is not None and detection.interrupt_response:
            self.floor.interrupt(self.config, "turn_detected", now_ms)

    def _may_prepare(self) -> bool:
        detection = self.config.audio.input.turn_detection
        return (
            self._prepares
            and self.heard is not None
            and detection is not None
            and detection.create_response
            and self.floor.active is None
        )

    def _speech_stopped(self, at: int, now_ms: int) -> None:
        assert self.heard is not None
        detection = self.config.audio.input.turn_detection
        item_id = self.heard.item_id
        self._outbox.send(se.InputAudioBufferSpeechStopped, audio_end_ms=ticks_to_ms(at), item_id=item_id)
        clock = TurnClock()
        clock.mark("speech_end", now_ms - (self.input.position - self.turns.voiced_until) // TICKS_PER_MS)
        clock.mark("vad_stop", now_ms)
        self._clock = clock
        self._commit(item_id, self.heard.start)
        if detection is None or not detection.create_response:
            self.floor.withdraw()
        elif self.floor.active is not None:
            # Interruption is off and something is still being said: the turn is answered when it is over.
            self.floor.withdraw()
            self.floor.kept = override_response(self.config, None)
        else:
            self.floor.create_for_turn(self.config, item_id, now_ms, clock)

    def _commit_by_client(self, event: ce.InputAudioBufferCommit, source: str, now_ms: int) -> None:
        if self.input.buffered < ms_to_ticks(MINIMUM_COMMIT_MS):
            raise errors.commit_empty(self.input.buffered / TICKS_PER_MS)
        self.turns.reset()
        self.floor.withdraw()
        item_id = self.heard.item_id if self.heard else self._outbox.new_id("item")
        speaking = self.heard is not None and self.config.audio.input.turn_detection is not None
        start = self.heard.start if self.heard and speaking else self.input.open_from
        self._clock = TurnClock()
        self._clock.mark("vad_stop", now_ms)
        self._commit(item_id, start)

    def _commit(self, item_id: str, start: int) -> None:
        """The audio from `start` on becomes a user's item (protocol reference 4.3, 4.4)."""
        self.heard = None
        frames = self.input.commit(start)
        self.item_audio.add(item_id, [frame.clip for frame in frames])
        item = MessageItem(id=item_id, role="user", status="completed", content=[InputAudio(transcript=None)])
        previous = self.conversation.insert(item)
        self._outbox.send(se.InputAudioBufferCommitted, previous_item_id=previous, item_id=item_id)
        self._announce(item, previous)
        self._outbox.put(Transcribe(item_id, frames))

    def _announce(self, item: Item, previous: str | None) -> None:
        shown = snapshot(item)
        self._outbox.send(se.ConversationItemAdded, previous_item_id=previous, item=shown)
        self._outbox.send(se.ConversationItemDone, previous_item_id=previous, item=shown)

    def _clear_by_client(self, event: ce.InputAudioBufferClear, source: str, now_ms: int) -> None:
        self.floor.withdraw()
        self._forget_heard()
        self.input.clear()
        self._outbox.send(se.InputAudioBufferCleared)

    def _forget_heard(self) -> None:
        """Whatever is being said is not going to be an item."""
        self.turns.reset()
        if self.heard is not None:
            self._outbox.put(Forget(self.heard.item_id))
            self.heard = None

    def _transcribed(self, signal: TranscriptFinished, now_ms: int) -> None:
        self._clock.mark("stt_final", now_ms)
        item = self.conversation.get(signal.item_id)
        if isinstance(item, MessageItem):
            self.conversation.understood[item.id] = signal.text
            if self.config.audio.input.transcription is not None:
                self._tell_transcript(item, signal.text)
        self.floor.understood(self.config, signal.item_id, signal.text, now_ms)

    def _tell_transcript(self, item: MessageItem, text: str) -> None:
        heard = [(i, part) for i, part in enumerate(item.content) if isinstance(part, InputAudio)]
        if not heard:
            return  # Deleted meanwhile, and another item told under its id.
        index, part = heard[0]
        part.transcript = text
        where: dict[str, Any] = {"item_id": item.id, "content_index": index}
        if text:
            self._outbox.send(se.ConversationItemInputAudioTranscriptionDelta, **where, delta=text)
        seconds = ticks_to_ms(self.item_audio.ticks(item.id)) / 1000
        self._outbox.send(
            se.ConversationItemInputAudioTranscriptionCompleted,
            **where,
            transcript=text,
            usage=DurationUsage(seconds=seconds),
        )

    def _not_transcribed(self, signal: TranscriptFailed, now_ms: int) -> None:
        if self.config.audio.input.transcription is not None and signal.item_id in self.conversation:
            error = TranscriptionErrorDetail(
                type="transcription_error", code=signal.code, message=signal.message
            )
            self._outbox.send(
                se.ConversationItemInputAudioTranscriptionFailed,
                item_id=signal.item_id,
                content_index=0,
                error=error,
            )
        self.floor.understood(self.config, signal.item_id, None, now_ms)

    # --- items ----------------------------------------------------------------------------------------------------------

    def _create_item(self, event: ce.ConversationItemCreate, source: str, now_ms: int) -> None:
        item = snapshot(event.item)
        self.conversation.check_new(item, event.previous_item_id)
        if self.heard is not None and item.id == self.heard.item_id:
            raise errors.duplicate_item(item.id)  # It was given to what is being said (`speech_started`).
        sound = self._take_audio(item)
        item.id = item.id or self._outbox.new_id("item")
        if isinstance(item, FunctionCallItem) and not item.call_id:
            item.call_id = self._outbox.new_id("call")
        if isinstance(item, MessageItem | FunctionCallItem | FunctionCallOutputItem) and item.status is UNSET:
            item.status = "completed"
        previous = self.conversation.insert(item, event.previous_item_id)
        self._announce(item, previous)
        if sound is not None:
            self.item_audio.add(item.id, [sound])
            self._outbox.put(Transcribe(item.id, (Frame(0, sound),)))
        if isinstance(item, FunctionCallOutputItem):
            self.floor.unseen_output = self.floor.active is not None
            if not self.conversation.unanswered():
                self.deadlines.clear("filler")

    def _take_audio(self, item: Item) -> Clip | None:
        """Take the bytes out of a user's item; they are kept with all other audio, within its caps, several parts as one."""
        if not isinstance(item, MessageItem):
            return None
        sound: Clip | None = None
        for index, part in enumerate(item.content):
            if isinstance(part, InputAudio) and part.audio is not UNSET:
                try:
                    more = decode_audio(part.audio, self.config.audio.input.format.type)
                except AudioError as error:
                    raise ClientError("invalid_value", str(error), f"item.content[{index}].audio") from None
                part.audio = UNSET
                sound = more if sound is None else Clip(sound.pcm + more.pcm, more.rate_hz)
        return sound

    def _retrieve_item(self, event: ce.ConversationItemRetrieve, source: str, now_ms: int) -> None:
        item = self.conversation.get(event.item_id)
        if item is None:
            raise errors.retrieve_unknown(event.item_id)
        shown = snapshot(item)
        if isinstance(shown, MessageItem):
            for part in shown.content:
                if isinstance(part, InputAudio | OutputAudio):
                    part.audio = self._recalled(item.id, output=isinstance(part, OutputAudio))
        self._outbox.send(se.ConversationItemRetrieved, to=source, item=shown)

    def _recalled(self, item_id: str, *, output: bool) -> str | msgspec.UnsetType:
        """An item's audio as base64, or nothing where it is gone or too large for one frame of some clients."""
        clip = self.item_audio.recall(item_id)
        audio = self.config.audio
        wire = audio.output.format if output else audio.input.format
        if (
            clip is None
            or len(clip.pcm) * 4 // 3 > self.options.retrieved_audio_bytes
            or clip.rate_hz != wire.rate_hz
        ):
            return UNSET
        return encode_audio(clip, wire.type)

    def _delete_item(self, event: ce.ConversationItemDelete, source: str, now_ms: int) -> None:
        if event.item_id not in self.conversation:
            raise errors.delete_unknown(event.item_id)
        self.conversation.remove(event.item_id)
        self.playback.drop(event.item_id)
        self._outbox.send(se.ConversationItemDeleted, item_id=event.item_id)

    def _truncate_item(self, event: ce.ConversationItemTruncate, source: str, now_ms: int) -> None:
        """The caller heard only so much: clamp to what was sent and keep the words up to there (docs/adr/0006)."""
        item = self.conversation.get(event.item_id)
        if item is None:
            raise errors.truncate_unknown(event.item_id)
        part = spoken_part(item)
        if part is None or not isinstance(item, MessageItem):
            raise errors.unsupported_truncate()
        if event.content_index >= len(item.content) or item.content[event.content_index] is not part:
            raise errors.truncate_content_index(event.content_index)
        end = min(ms_to_ticks(event.audio_end_ms), self.playback.sent(item.id))
        part.transcript = self.playback.words_until(item.id, end)
        self.playback.cut(item.id, end)
        active = self.floor.active.response if self.floor.active else None
        if active is not None and active.message_id == item.id:
            active.cut_short()
        self._outbox.send(
            se.ConversationItemTruncated,
            item_id=item.id,
            content_index=event.content_index,
            audio_end_ms=ticks_to_ms(end),
        )

    # --- responses ------------------------------------------------------------------------------------------------------

    def _create_response(self, event: ce.ResponseCreate, source: str, now_ms: int) -> None:
        config = override_response(self.config, event.response)
        self.conversation.resolve(config.input or [])  # Refused before anything has changed.
        if config.conversation == "none":
            self.floor.create(self.config, config, now_ms)
            return
        self.floor.drop_filler(self.config, now_ms)
        if self.floor.active is None:
            self.floor.create(self.config, config, now_ms)
        elif not event.response and self.floor.unseen_output and self.options.keep_response_create:
            self.floor.kept = config
        else:
            raise errors.active_response(self.floor.active_response_id)

    def _cancel_response(self, event: ce.ResponseCancel, source: str, now_ms: int) -> None:
        self.floor.cancel(self.config, event.response_id, now_ms)

    def _clear_output(self, event: ce.OutputAudioBufferClear, source: str, now_ms: int) -> None:
        message = "'output_audio_buffer.clear' is for WebRTC and SIP; on a WebSocket the client plays and clears by itself."
        raise ClientError("invalid_value", message, "type")

    def _append(self, event: ce.InputAudioBufferAppend, source: str, now_ms: int) -> None:
        self.receive_audio(self.read_audio(event), now_ms)


Handler = Callable[[RealtimeSession, Any, str, int], None]

HANDLERS: dict[type, Handler] = {
    ce.SessionUpdate: RealtimeSession._update_session,
    ce.InputAudioBufferAppend: RealtimeSession._append,
    ce.InputAudioBufferCommit: RealtimeSession._commit_by_client,
    ce.InputAudioBufferClear: RealtimeSession._clear_by_client,
    ce.OutputAudioBufferClear: RealtimeSession._clear_output,
    ce.ConversationItemCreate: RealtimeSession._create_item,
    ce.ConversationItemRetrieve: RealtimeSession._retrieve_item,
    ce.ConversationItemTruncate: RealtimeSession._truncate_item,
    ce.ConversationItemDelete: RealtimeSession._delete_item,
    ce.ResponseCreate: RealtimeSession._create_response,
    ce.ResponseCancel: RealtimeSession._cancel_response,
}
"""Every client event of the GA dialect; a test holds the table against the protocol."""
