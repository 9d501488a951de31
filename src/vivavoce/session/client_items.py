"""Items that a client makes, asks back and deletes (protocol reference 4.11)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from vivavoce.audio.clip import Clip, Frame
from vivavoce.audio.codec import AudioError, decode_audio, encode_audio
from vivavoce.protocol import client_events as ce
from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputItem,
    Item,
    MessageItem,
    OutputAudio,
)
from vivavoce.protocol.session_objects import AudioFormat
from vivavoce.session.conversation import Conversation, snapshot
from vivavoce.session.effects import Transcribe
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import Outbox


class ClientItems:
    """The verbs of `conversation.item.*` that need nothing but the conversation and its audio."""

    def __init__(
        self, outbox: Outbox, conversation: Conversation, item_audio: ItemAudio, options: SessionOptions
    ) -> None:
        self._outbox = outbox
        self._conversation = conversation
        self._item_audio = item_audio
        self._options = options

    def create(self, event: ce.ConversationItemCreate, wire: AudioFormat, promised_id: str | None) -> Item:
        """Add the client's item; its audio is in the session's input format.

        promised_id: the id that was given to what the caller is saying (`speech_started`).
        Raises ClientError before anything has changed.
        """
        item = snapshot(event.item)
        self._conversation.check_new(item, event.previous_item_id)
        if promised_id is not None and item.id == promised_id:
            raise errors.duplicate_item(item.id)
        self._check_images(item)
        sound = _take_audio(item, wire, "item")
        item.id = item.id or self._outbox.new_id("item")
        if isinstance(item, FunctionCallItem) and not item.call_id:
            item.call_id = self._outbox.new_id("call")
        if isinstance(item, MessageItem | FunctionCallItem | FunctionCallOutputItem) and item.status is UNSET:
            item.status = "completed"
        previous = self._conversation.insert(item, event.previous_item_id)
        self._outbox.announce(self._shown(item), previous)
        if sound is not None:
            self._item_audio.add(item.id, [sound])
            self._outbox.put(Transcribe(item.id, (Frame(0, sound),)))
        return item

    def sounds(self, inputs: list[InputItem], wire: AudioFormat) -> list[Transcribe]:
        """What is to be heard in the items that a response is given instead of the conversation; their bytes are taken out of them.

        They get ids of their own, whatever the client calls them: what is heard in them says nothing of the conversation's items.
        Raises ClientError before anything has changed.
        """
        heard: list[Transcribe] = []
        for index, item in enumerate(inputs):
            sound = _take_audio(item, wire, f"response.input[{index}]")
            if sound is not None and isinstance(item, MessageItem):
                item.id = self._outbox.new_id("item")
                heard.append(Transcribe(item.id, (Frame(0, sound),)))
        for one in heard:
            self._item_audio.measure(one.item_id, one.audio[0].clip.ticks)
        return heard

    def retrieve(
        self, event: ce.ConversationItemRetrieve, source: str, heard: AudioFormat, said: AudioFormat
    ) -> None:
        """Show an item with its audio, in the session's input and output format."""
        item = self._conversation.get(event.item_id)
        if item is None:
            raise errors.retrieve_unknown(event.item_id)
        shown = self._shown(item)
        if isinstance(shown, MessageItem):
            for part in shown.content:
                if isinstance(part, InputAudio | OutputAudio):
                    part.audio = self._recalled(item.id, said if isinstance(part, OutputAudio) else heard)
        self._outbox.send(se.ConversationItemRetrieved, to=source, item=shown)

    def delete(self, event: ce.ConversationItemDelete) -> None:
        """Take an item and its audio away."""
        if event.item_id not in self._conversation:
            raise errors.delete_unknown(event.item_id)
        self._conversation.remove(event.item_id)
        self._item_audio.drop(event.item_id)
        self._outbox.send(se.ConversationItemDeleted, item_id=event.item_id)

    def _check_images(self, item: Item) -> None:
        """Images are kept whole for as long as their items are, so there is an end to them."""
        wanted = _image_bytes(item)
        if (
            wanted
            and wanted + sum(map(_image_bytes, self._conversation.items())) > self._options.call_image_bytes
        ):
            raise errors.too_many_images(self._options.call_image_bytes)

    def _shown(self, item: Item) -> Item:
        """The item as clients see it: images, like audio, only as large as a frame of theirs may be."""
        shown = snapshot(item)
        for part in shown.content if isinstance(shown, MessageItem) else ():
            if (
                isinstance(part, InputImage)
                and len(part.image_url or "") > self._options.retrieved_audio_bytes
            ):
                part.image_url = UNSET
        return shown

    def _recalled(self, item_id: str, wire: AudioFormat) -> str | msgspec.UnsetType:
        """An item's audio as base64, or nothing where it is gone or too large for one frame of some clients."""
        clip = self._item_audio.recall(item_id)
        if (
            clip is None
            or len(clip.pcm) * 4 // 3 > self._options.retrieved_audio_bytes
            or clip.rate_hz != wire.rate_hz
        ):
            return UNSET
        return encode_audio(clip, wire.type)


def _image_bytes(item: Item) -> int:
    parts = item.content if isinstance(item, MessageItem) else []
    return sum(len(part.image_url or "") for part in parts if isinstance(part, InputImage))


def _take_audio(item: InputItem, wire: AudioFormat, path: str) -> Clip | None:
    """Take the bytes out of an item. A user's are kept with all other audio, within its caps, several parts as one; an assistant's
    mean nothing, since only its words can be told (protocol reference 2.3)."""
    if not isinstance(item, MessageItem):
        return None
    sound: Clip | None = None
    for index, part in enumerate(item.content):
        if isinstance(part, OutputAudio):
            part.audio = UNSET
        if isinstance(part, InputAudio) and part.audio is not UNSET:
            try:
                more = decode_audio(part.audio, wire.type)
            except AudioError as error:
                raise ClientError("invalid_value", str(error), f"{path}.content[{index}].audio") from None
            part.audio = UNSET
            sound = more if sound is None else Clip(sound.pcm + more.pcm, more.rate_hz)
    return sound
