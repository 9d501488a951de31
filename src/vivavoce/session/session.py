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
from typing import Any

from vivavoce.audio.clip import Clip, ms_to_ticks, ticks_to_ms
from vivavoce.protocol import client_events as ce
from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.items import FunctionCallOutputItem, McpApprovalResponseItem, MessageItem
from vivavoce.protocol.session_objects import ServerVad, SessionObject
from vivavoce.protocol.sessions import override_response
from vivavoce.protocol.unknown_fields import ResponseFields, refuse_unknown
from vivavoce.session.client_items import ClientItems
from vivavoce.session.connections import Connections
from vivavoce.session.conversation import Conversation, spoken_part
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.ear import Ear, TurnStep
from vivavoce.session.effects import Configure, Effect
from vivavoce.session.floor import Floor
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.mcp import McpTools
from vivavoce.session.mcp_calls import McpCalls
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import NewId, Outbox
from vivavoce.session.playback import Playback
from vivavoce.session.prompts import Configuration
from vivavoce.session.requests import Requests
from vivavoce.session.signals import (
    Signal,
    SpeechProbability,
    TranscriptFailed,
    TranscriptFinished,
    TranscriptPartial,
    TurnCompleteness,
)
from vivavoce.session.tool_calls import ListingFailed, ToolAnswered, ToolFailed, ToolsListed
from vivavoce.session.transcripts import Transcripts
from vivavoce.session.truncation import check_rule
from vivavoce.session.turns import Turn
from vivavoce.session.usage import Ledger


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
        engine_judges: bool = False,
        setup: dict[str, Any] | None = None,
    ) -> None:
        self.configuration = Configuration(
            opening, options.find_prompt, setup, silence_duration_ms=options.silence_duration_ms
        )
        self.config = self.configuration.session
        self.options = options
        self.conversation = Conversation(new_id("conv"))
        self.deadlines = Deadlines()
        self.item_audio = ItemAudio(options.item_audio_s, options.call_audio_bytes)
        self.playback = Playback(self.item_audio)
        self._outbox = Outbox(new_id)
        self._prepares = engine_prepares and options.soft_pause_ms > 0
        self.connections = Connections(self._outbox, self.deadlines, options.max_duration_s, now_ms)
        self.ear = Ear(
            self._outbox,
            self.conversation,
            self.item_audio,
            self.deadlines,
            options,
            engine_judges=engine_judges,
        )
        self.items = ClientItems(self._outbox, self.conversation, self.item_audio, options)
        self.transcripts = Transcripts(self._outbox, self.conversation, self.item_audio, options.count_text)
        ledger = Ledger(options.count_text, self.item_audio)
        servers = McpTools(self._outbox, self.conversation, options.mcp_servers)
        self.mcp = McpCalls(self._outbox, self.conversation, servers)
        self.floor = Floor(
            self._outbox,
            self.conversation,
            self.playback,
            self.deadlines,
            ledger,
            Requests(self.conversation, ledger, options.input_tokens, self.mcp),
            options,
            engine_speaks=engine_speaks,
        )
        self._follow_config()

    # --- verbs ----------------------------------------------------------------------------------------------------------

    def attach(self, source: str, now_ms: int, *, returning: bool = False) -> None:
        """Somebody joins; the first one, or the one that returns in its place, is the primary connection."""
        self.connections.joined(source, self.config, returning=returning)
        self.mcp.tools.follow(self.config.tools)

    def detached(self, source: str, now_ms: int) -> None:
        """Somebody left. Without its primary connection a call is over, sooner or later."""
        self.connections.left(source, self.config, now_ms)

    def receive(self, event: ClientEvent, source: str, now_ms: int) -> None:
        """Apply a client event (anything but audio, which goes by `receive_audio`)."""
        try:
            HANDLERS[type(event)](self, event, source, now_ms)
        except ClientError as error:
            self.connections.refuse(error, source, event.event_id)

    def refuse(self, error: ClientError, source: str) -> None:
        """Tell one attachment about its mistake; nothing else changes (house law 5)."""
        self.connections.refuse(error, source)

    def read_audio(self, event: ce.InputAudioBufferAppend) -> Clip:
        """The sound in an append event, for a driver that cuts it to frames. Raises ClientError (param `audio`)."""
        return self.ear.read(event)

    def receive_audio(self, clip: Clip, now_ms: int) -> None:
        """Input audio, at most 100 ms a piece."""
        self.ear.receive(clip)

    def signal(self, signal: Signal, now_ms: int) -> None:
        """Apply what an engine says."""
        match signal:
            case SpeechProbability():
                self._follow_turn(self.ear.judge(signal, now_ms), now_ms)
            case TurnCompleteness():
                self.ear.completeness(signal)
            case TranscriptPartial():
                pass  # The realtime session tells a transcript once it is final; see docs/adr/0005.
            case TranscriptFinished():
                self._transcribed(signal, now_ms)
            case TranscriptFailed():
                self.transcripts.failed(signal, self.config.audio.input.transcription)
                self.floor.understood(self.config, signal.item_id, None, now_ms)
            case ToolsListed():
                self.mcp.tools.listed(signal)
            case ListingFailed():
                self.mcp.tools.failed(signal)
            case ToolAnswered() | ToolFailed():
                self.floor.returned(self.config, signal, now_ms)
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
                case "turn":
                    self._follow_turn(self.ear.waited_long_enough(now_ms), now_ms)
                case "idle":
                    self._nobody_speaks(now_ms)
                case "expiry_near" | "return":
                    self.connections.due(name)
                case "expiry":  # pragma: no branch
                    self.floor.end_all(self.config, now_ms)
                    self.connections.expire(self.options.max_duration_s)

    def next_deadline(self) -> int | None:
        """When `tick` is wanted next, in milliseconds."""
        return self.deadlines.next()

    def drain(self) -> list[Effect]:
        """Effects since the last drain, in order."""
        return self._outbox.drain()

    # --- the session itself ---------------------------------------------------------------------------------------------

    def _update_session(self, event: ce.SessionUpdate, source: str, now_ms: int) -> None:
        if self.options.refuse_unknown_fields:
            refuse_unknown(event.session, SessionObject, "session")
        self.config = self.configuration.update(
            self.mcp.tools.with_addresses(event.session),
            spoken=self.playback.anything_sent,
            check=lambda session: check_rule(session.truncation, self.options.input_tokens),
        )
        self._follow_config()
        self._outbox.send(se.SessionUpdated, session=self.config)
        self.mcp.tools.follow(self.config.tools)

    def _follow_config(self) -> None:
        self.floor.requests.preface = self.configuration.preface
        self.ear.follow(self.config.audio.input)
        self._outbox.put(Configure(self.config))

    # --- what the caller says -------------------------------------------------------------------------------------------

    def _follow_turn(self, step: TurnStep | None, now_ms: int) -> None:
        if step is None:
            return
        match step.turn:
            case Turn.STARTED:
                self._speech_started(now_ms)
            case Turn.PAUSED:
                if self._may_prepare():
                    self.floor.prepare(self.config, step.item_id, now_ms)
            case Turn.RESUMED:
                self.floor.withdraw()
            case Turn.STOPPED:  # pragma: no branch
                self._answer_turn(step.item_id, now_ms)

    def _speech_started(self, now_ms: int) -> None:
        detection = self.config.audio.input.turn_detection
        if detection is not None and detection.interrupt_response:
            self.floor.interrupt(self.config, "turn_detected", now_ms)
        # Last, since what was cut short ended just now: nobody is put off, or asked after, while they speak.
        self.floor.caller_speaks()

    def _nobody_speaks(self, now_ms: int) -> None:
        """The idle timeout (protocol reference 4.12): the silence is a turn like any other, and is answered."""
        detection = self.config.audio.input.turn_detection
        if not isinstance(detection, ServerVad) or detection.idle_timeout_ms is None:
            return  # Switched off while it was running.
        item_id = self.ear.time_out(detection.idle_timeout_ms, now_ms)
        if item_id is not None:
            self._answer_turn(item_id, now_ms)

    def _may_prepare(self) -> bool:
        detection = self.config.audio.input.turn_detection
        return (
            self._prepares
            and detection is not None
            and detection.create_response
            and self.floor.active is None
        )

    def _answer_turn(self, item_id: str, now_ms: int) -> None:
        detection = self.config.audio.input.turn_detection
        if detection is None or not detection.create_response:
            self.floor.withdraw()
        elif self.floor.active is not None:
            # Interruption is off and something is still being said: the turn is answered when it is over.
            self.floor.withdraw()
            self.floor.kept = override_response(self.config, None)
        else:
            self.floor.create_for_turn(self.config, item_id, now_ms, self.ear.clock)

    def _commit(self, event: ce.InputAudioBufferCommit, source: str, now_ms: int) -> None:
        self.ear.check_commit()
        self.floor.withdraw()
        self.ear.commit(now_ms)

    def _clear_input(self, event: ce.InputAudioBufferClear, source: str, now_ms: int) -> None:
        self.floor.withdraw()
        self.ear.clear()

    def _transcribed(self, signal: TranscriptFinished, now_ms: int) -> None:
        self.ear.clock.mark("stt_final", now_ms)
        self.transcripts.finished(signal, self.config.audio.input.transcription, self.config.include)
        self.floor.understood(self.config, signal.item_id, signal.text, now_ms)

    # --- items ----------------------------------------------------------------------------------------------------------

    def _create_item(self, event: ce.ConversationItemCreate, source: str, now_ms: int) -> None:
        promised_id = self.ear.heard.item_id if self.ear.heard is not None else None
        if isinstance(event.item, McpApprovalResponseItem):
            self.mcp.check(event.item)
        item = self.items.create(event, self.config.audio.input.format, promised_id)
        if isinstance(item, McpApprovalResponseItem):
            self.mcp.decide(item)
            self.floor.follow_decisions(self.config, now_ms)
        if isinstance(item, FunctionCallOutputItem):
            self.floor.unseen_output = self.floor.active is not None
            if not self.conversation.unanswered():
                self.deadlines.clear("filler")

    def _retrieve_item(self, event: ce.ConversationItemRetrieve, source: str, now_ms: int) -> None:
        audio = self.config.audio
        self.items.retrieve(event, source, audio.input.format, audio.output.format)

    def _delete_item(self, event: ce.ConversationItemDelete, source: str, now_ms: int) -> None:
        self.items.delete(event)
        self.playback.drop(event.item_id)

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
        if event.response and self.options.refuse_unknown_fields:
            refuse_unknown(event.response, ResponseFields, "response")
        given = event.response and self.mcp.tools.with_addresses(event.response)
        config = self.configuration.response(given)
        self.conversation.resolve(config.input or [])  # Refused before anything has changed.
        if config.conversation != "none":
            self.floor.drop_filler(self.config, now_ms)
            if self.floor.active is not None:
                if event.response or not (self.floor.unseen_output and self.options.keep_response_create):
                    raise errors.active_response(self.floor.active_response_id)
                self.floor.kept = config
                return
        sounds = self.items.sounds(config.input or [], self.config.audio.input.format)
        self.mcp.tools.follow(config.tools)
        for sound in sounds:
            self._outbox.put(sound)
        self.floor.create(self.config, config, now_ms)

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
    ce.InputAudioBufferCommit: RealtimeSession._commit,
    ce.InputAudioBufferClear: RealtimeSession._clear_input,
    ce.OutputAudioBufferClear: RealtimeSession._clear_output,
    ce.ConversationItemCreate: RealtimeSession._create_item,
    ce.ConversationItemRetrieve: RealtimeSession._retrieve_item,
    ce.ConversationItemTruncate: RealtimeSession._truncate_item,
    ce.ConversationItemDelete: RealtimeSession._delete_item,
    ce.ResponseCreate: RealtimeSession._create_response,
    ce.ResponseCancel: RealtimeSession._cancel_response,
}
"""Every client event of the GA dialect; a test holds the table against the protocol."""
