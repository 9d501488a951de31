"""What of a conversation is told to another upstream session, so that it can go on where the one before ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputText,
    Item,
    McpCallItem,
    MessageItem,
    OutputAudio,
    OutputText,
)
from vivavoce.session.conversation import Conversation

Kept = Callable[[str, int], str | None]
"""What stands at a place of an item and the upstream does not say again, where it is kept: sound in base64, an image as a data URI."""


def carried(conversation: Conversation, kept: Kept) -> list[Item]:
    """Copies of the items, oldest first, under their ids: speech as the words it is known to be, nothing that is only shown."""
    return [made for item in conversation.items() if (made := _carry(conversation, item, kept)) is not None]


def carries(conversation: Conversation, item_id: str, kept: Kept) -> bool:
    """Whether an item is among those."""
    item = conversation.get(item_id)
    return item is not None and _carry(conversation, item, kept) is not None


def as_created(item: dict[str, Any]) -> dict[str, Any]:
    """An item as `conversation.item.create` has it: what nobody has said yet is left out, not said to be empty."""
    made = {
        name: one for name, one in item.items() if one is not None and (one or name not in ("id", "call_id"))
    }
    if "content" in made:
        made["content"] = [
            {name: one for name, one in part.items() if one is not None} for part in made["content"]
        ]
    return made


def _carry(conversation: Conversation, item: Item, kept: Kept) -> Item | None:
    match item:
        case MessageItem():
            parts = (_part(one, item.id, place, kept) for place, one in enumerate(item.content))
            content = [part for part in parts if part is not None]
            return (
                msgspec.structs.replace(item, content=content, status="completed", phase=msgspec.UNSET)
                if content
                else None
            )
        case FunctionCallItem():
            # A call that was cut off is none; its arguments are half a sentence.
            return msgspec.structs.replace(item) if item.status != "incomplete" else None
        case FunctionCallOutputItem():
            return msgspec.structs.replace(item) if conversation.call(item.call_id) else None
        case McpCallItem():
            return _told(item)
    return None


def _part(part: Any, item_id: str, place: int, kept: Kept) -> Any:
    if isinstance(part, InputAudio):
        if part.transcript:
            return InputText(text=part.transcript)
        sound = kept(item_id, place)
        return InputAudio(audio=sound) if sound is not None else None
    if isinstance(part, InputImage) and not part.image_url:
        image = kept(item_id, place)  # One that is too large for a frame is not shown again.
        return msgspec.structs.replace(part, image_url=image) if image is not None else None
    if isinstance(part, OutputAudio):
        return OutputText(text=part.transcript) if part.transcript else None
    return part


def _told(item: McpCallItem) -> Item:
    """A tool that was used here, in words: the other session has never heard of it."""
    result = item.output if item.error is None else item.error.message
    text = in_words(item.name, item.arguments, result)
    return MessageItem(id=item.id, role="system", content=[InputText(text=text)])


def in_words(name: str, arguments: str, result: str | None) -> str:
    """A call for an upstream session that has not made it."""
    return f"[The tool {name} was called with {arguments} and returned: {result or 'nothing'}]"
