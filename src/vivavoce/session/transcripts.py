"""What the caller was heard to say, told to the client."""

from __future__ import annotations

from typing import Any

from vivavoce.audio.clip import ticks_to_ms
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import InputAudio, MessageItem
from vivavoce.protocol.responses import DurationUsage, TranscriptionErrorDetail
from vivavoce.session.conversation import Conversation
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.outbox import Outbox
from vivavoce.session.signals import TranscriptFailed, TranscriptFinished


class Transcripts:
    """Keeps what each item says in the conversation, and tells it once it is final (docs/adr/0005)."""

    def __init__(self, outbox: Outbox, conversation: Conversation, item_audio: ItemAudio) -> None:
        self._outbox = outbox
        self._conversation = conversation
        self._item_audio = item_audio

    def finished(self, signal: TranscriptFinished, *, tell: bool) -> None:
        """The final transcript of an item; told if the client asked for transcripts, known in any case."""
        item = self._conversation.get(signal.item_id)
        if isinstance(item, MessageItem):
            self._conversation.understood[item.id] = signal.text
            if tell:
                self._tell(item, signal.text)

    def failed(self, signal: TranscriptFailed, *, tell: bool) -> None:
        """There is going to be no transcript of an item."""
        if tell and signal.item_id in self._conversation:
            error = TranscriptionErrorDetail(
                type="transcription_error", code=signal.code, message=signal.message
            )
            self._outbox.send(
                se.ConversationItemInputAudioTranscriptionFailed,
                item_id=signal.item_id,
                content_index=0,
                error=error,
            )

    def _tell(self, item: MessageItem, text: str) -> None:
        heard = [(i, part) for i, part in enumerate(item.content) if isinstance(part, InputAudio)]
        if not heard:
            return  # Deleted meanwhile, and another item told under its id.
        index, part = heard[0]
        part.transcript = text
        where: dict[str, Any] = {"item_id": item.id, "content_index": index}
        if text:
            self._outbox.send(se.ConversationItemInputAudioTranscriptionDelta, **where, delta=text)
        seconds = ticks_to_ms(self._item_audio.ticks(item.id)) / 1000
        self._outbox.send(
            se.ConversationItemInputAudioTranscriptionCompleted,
            **where,
            transcript=text,
            usage=DurationUsage(seconds=seconds),
        )
