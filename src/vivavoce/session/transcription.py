"""The transcription session: it hears and writes down, and answers nobody (protocol reference 3.7, 4.13; docs/adr/0020).

The house laws of session/session.py hold here too. What it hears, it hears with the same ear as a conversation does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from vivavoce.audio.clip import Clip
from vivavoce.protocol import client_events as ce
from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.session_objects import AudioConfig, SessionObject, TranscriptionSessionObject
from vivavoce.protocol.transcription_sessions import family_of, merge_transcription_session
from vivavoce.protocol.unknown_fields import refuse_unknown
from vivavoce.session.client_items import ClientItems
from vivavoce.session.connections import Connections
from vivavoce.session.conversation import Conversation
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.ear import Ear
from vivavoce.session.effects import Configure, Effect
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import NewId, Outbox
from vivavoce.session.signals import (
    Signal,
    SpeechProbability,
    TranscriptFailed,
    TranscriptFinished,
    TranscriptPartial,
    TurnCompleteness,
)
from vivavoce.session.transcripts import Transcripts


class TranscriptionSession:
    """A session of type "transcription", driven by the same verbs as a conversation."""

    def __init__(
        self,
        opening: TranscriptionSessionObject,
        new_id: NewId,
        options: SessionOptions,
        now_ms: int,
        *,
        engine_judges: bool = False,
    ) -> None:
        self.config = opening
        self.options = options
        self.conversation = Conversation(new_id("conv"))
        self.deadlines = Deadlines()
        self._outbox = Outbox(new_id)
        self.connections = Connections(self._outbox, self.deadlines, options.max_duration_s, now_ms)
        self.item_audio = ItemAudio(options.item_audio_s, options.call_audio_bytes)
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
        self._follow_config()

    # --- verbs ----------------------------------------------------------------------------------------------------------

    def attach(self, source: str, now_ms: int, *, returning: bool = False) -> None:
        """Somebody joins; the first one, or the one that returns in its place, is the primary connection."""
        self.connections.joined(source, self.config, returning=returning)

    def detached(self, source: str, now_ms: int) -> None:
        """Somebody left. Without its primary connection a call is over, sooner or later."""
        self.connections.left(source, self.config, now_ms)

    def receive(self, event: ClientEvent, source: str, now_ms: int) -> None:
        """Apply a client event; those that ask for an answer are refused."""
        try:
            handler = HANDLERS.get(type(event))
            if handler is None:
                raise errors.not_in_transcription(str(type(event).__struct_config__.tag))
            handler(self, event, source, now_ms)
        except ClientError as error:
            self.connections.refuse(error, source, event.event_id)

    def refuse(self, error: ClientError, source: str) -> None:
        """Tell one attachment about its mistake; nothing else changes (house law 5)."""
        self.connections.refuse(error, source)

    def read_audio(self, event: ce.InputAudioBufferAppend) -> Clip:
        """The sound in an append event. Raises ClientError (param `audio`)."""
        return self.ear.read(event)

    def receive_audio(self, clip: Clip, now_ms: int) -> None:
        """Input audio, at most 100 ms a piece."""
        self.ear.receive(clip)

    def signal(self, signal: Signal, now_ms: int) -> None:
        """Apply what an engine says; nobody here asked for an answer."""
        wanted = self.config.audio.input.transcription
        match signal:
            case SpeechProbability():
                self.ear.judge(signal, now_ms)
            case TurnCompleteness():
                self.ear.completeness(signal)
            case TranscriptPartial():
                self._partial(signal)
            case TranscriptFinished():
                self.transcripts.finished(signal, wanted, self.config.include)
            case TranscriptFailed():
                self.transcripts.failed(signal, wanted)

    def tick(self, now_ms: int) -> None:
        """Time has passed: run whatever is due."""
        for name in self.deadlines.due(now_ms):
            match name:
                case "turn":
                    self.ear.waited_long_enough(now_ms)
                case "expiry_near" | "return":
                    self.connections.due(name)
                case "expiry":  # pragma: no branch
                    self.connections.expire(self.options.max_duration_s)

    def next_deadline(self) -> int | None:
        """When `tick` is wanted next, in milliseconds."""
        return self.deadlines.next()

    def drain(self) -> list[Effect]:
        """Effects since the last drain, in order."""
        return self._outbox.drain()

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _partial(self, signal: TranscriptPartial) -> None:
        """Readings come until the final transcript; what is neither being said nor an item any more is nobody's."""
        wanted = self.config.audio.input.transcription
        said = self.ear.heard is not None and self.ear.heard.item_id == signal.item_id
        open_item = signal.item_id in self.conversation and signal.item_id not in self.conversation.understood
        if wanted is not None and family_of(wanted).streams and (said or open_item):
            self.transcripts.partial(signal)

    def _update_session(self, event: ce.SessionUpdate, source: str, now_ms: int) -> None:
        if self.options.refuse_unknown_fields:
            refuse_unknown(event.session, TranscriptionSessionObject, "session")
        self.config = merge_transcription_session(
            self.config, event.session, silence_duration_ms=self.options.silence_duration_ms
        )
        self._follow_config()
        self._outbox.send(se.SessionUpdated, session=self.config)

    def _follow_config(self) -> None:
        heard = self.config.audio.input
        self.ear.follow(heard)
        # Engines know conversations: this is one without tools, and what the client says about its audio stands for instructions.
        prompt = heard.transcription.prompt if heard.transcription is not None else UNSET
        told = SessionObject(
            id=self.config.id,
            model="",
            audio=AudioConfig(input=heard),
            include=self.config.include,
            instructions="" if prompt is UNSET else prompt,
        )
        self._outbox.put(Configure(told))

    def _append(self, event: ce.InputAudioBufferAppend, source: str, now_ms: int) -> None:
        self.receive_audio(self.read_audio(event), now_ms)

    def _commit(self, event: ce.InputAudioBufferCommit, source: str, now_ms: int) -> None:
        self.ear.check_commit()
        self.ear.commit(now_ms)

    def _clear_input(self, event: ce.InputAudioBufferClear, source: str, now_ms: int) -> None:
        if self.ear.heard is not None:
            self.transcripts.forget(self.ear.heard.item_id)
        self.ear.clear()

    def _retrieve_item(self, event: ce.ConversationItemRetrieve, source: str, now_ms: int) -> None:
        wire = self.config.audio.input.format
        self.items.retrieve(event, source, wire, wire)

    def _delete_item(self, event: ce.ConversationItemDelete, source: str, now_ms: int) -> None:
        self.transcripts.forget(event.item_id)
        self.items.delete(event)


Handler = Callable[[TranscriptionSession, Any, str, int], None]

HANDLERS: dict[type, Handler] = {
    ce.SessionUpdate: TranscriptionSession._update_session,
    ce.InputAudioBufferAppend: TranscriptionSession._append,
    ce.InputAudioBufferCommit: TranscriptionSession._commit,
    ce.InputAudioBufferClear: TranscriptionSession._clear_input,
    ce.ConversationItemRetrieve: TranscriptionSession._retrieve_item,
    ce.ConversationItemDelete: TranscriptionSession._delete_item,
}
"""What a client may send; everything else belongs to a conversation and is refused by name."""
