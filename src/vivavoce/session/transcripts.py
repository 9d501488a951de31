"""What the caller was heard to say, told to the client."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from vivavoce.audio.clip import ticks_to_ms
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import InputAudio, MessageItem
from vivavoce.protocol.responses import (
    DurationUsage,
    LogProb,
    TokensUsage,
    TranscriptionErrorDetail,
    TranscriptionTokenDetails,
    TranscriptionUsage,
)
from vivavoce.protocol.session_objects import Include, Transcription
from vivavoce.protocol.transcription_sessions import Family, family_of
from vivavoce.session.conversation import Conversation
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.outbox import Outbox
from vivavoce.session.signals import TranscriptFailed, TranscriptFinished, TranscriptPartial
from vivavoce.session.stable_prefix import StablePrefix
from vivavoce.session.usage import USER_TOKEN, CountText

SPEAKER = "A"
"""Whoever is heard: voices are not told apart, so all segments of a session have one speaker."""


class Transcripts:
    """Keeps what each item says in the conversation, and tells it to a client that asked for transcripts."""

    def __init__(
        self, outbox: Outbox, conversation: Conversation, item_audio: ItemAudio, count_text: CountText
    ) -> None:
        self._outbox = outbox
        self._conversation = conversation
        self._item_audio = item_audio
        self._count_text = count_text
        self._growing: dict[str, StablePrefix] = {}

    def partial(self, signal: TranscriptPartial) -> None:
        """A reading of what is being said; told as far as it has stopped changing."""
        growing = self._growing.setdefault(signal.item_id, StablePrefix())
        self._delta(signal.item_id, growing.grow(signal.text))

    def forget(self, item_id: str) -> None:
        """What is being said is not going to be an item."""
        self._growing.pop(item_id, None)

    def finished(
        self, signal: TranscriptFinished, wanted: Transcription | None, include: list[Include] | None
    ) -> None:
        """The final transcript of an item; told if the client asked for transcripts, known in any case.

        include: what else it asked for; log probabilities are all there is, and are told where the recogniser gave any.
        """
        item = self._conversation.get(signal.item_id)
        growing = self._growing.pop(signal.item_id, None) or StablePrefix()
        if isinstance(item, MessageItem):
            self._conversation.understood[item.id] = signal.text
            if wanted is not None:
                logprobs = list(signal.logprobs) if include and signal.logprobs else UNSET
                self._tell(item, signal.text, growing, wanted, logprobs)

    def failed(self, signal: TranscriptFailed, wanted: Transcription | None) -> None:
        """There is going to be no transcript of an item."""
        self.forget(signal.item_id)
        if wanted is not None and signal.item_id in self._conversation:
            error = TranscriptionErrorDetail(
                type="transcription_error", code=signal.code, message=signal.message
            )
            self._outbox.send(
                se.ConversationItemInputAudioTranscriptionFailed,
                item_id=signal.item_id,
                content_index=0,
                error=error,
            )

    def _tell(
        self,
        item: MessageItem,
        text: str,
        growing: StablePrefix,
        wanted: Transcription,
        logprobs: list[LogProb] | UnsetType,
    ) -> None:
        heard = [(i, part) for i, part in enumerate(item.content) if isinstance(part, InputAudio)]
        if not heard:
            return  # Deleted meanwhile, and another item told under its id.
        index, part = heard[0]
        part.transcript = text
        family = family_of(wanted)
        self._delta(item.id, growing.finish(text), index)
        if family.segments and text:
            self._segment(item.id, index, text)
        self._outbox.send(
            se.ConversationItemInputAudioTranscriptionCompleted,
            item_id=item.id,
            content_index=index,
            transcript=text,
            logprobs=logprobs,
            usage=self._usage(item.id, text, family, wanted),
        )

    def _delta(self, item_id: str, delta: str, content_index: int = 0) -> None:
        if delta:
            where: dict[str, Any] = {"item_id": item_id, "content_index": content_index}
            self._outbox.send(se.ConversationItemInputAudioTranscriptionDelta, **where, delta=delta)

    def _segment(self, item_id: str, index: int, text: str) -> None:
        self._outbox.send(
            se.ConversationItemInputAudioTranscriptionSegment,
            item_id=item_id,
            content_index=index,
            id=self._outbox.new_id("seg"),
            text=text,
            speaker=SPEAKER,
            start=0.0,
            end=self._seconds(item_id),
        )

    def _seconds(self, item_id: str) -> float:
        return ticks_to_ms(self._item_audio.ticks(item_id)) / 1000

    def _usage(self, item_id: str, text: str, family: Family, wanted: Transcription) -> TranscriptionUsage:
        """By tokens or by the length of the audio, as the model's family is billed (protocol reference 4.13)."""
        if family.billed == "duration":
            return DurationUsage(seconds=self._seconds(item_id))
        prompt = self._count_text(wanted.prompt) if wanted.prompt is not UNSET else 0
        audio = self._item_audio.ticks(item_id) // USER_TOKEN
        said = self._count_text(text)
        return TokensUsage(
            total_tokens=prompt + audio + said,
            input_tokens=prompt + audio,
            output_tokens=said,
            input_token_details=TranscriptionTokenDetails(text_tokens=prompt, audio_tokens=audio),
        )
