"""The conversation: ordered items, and what each is known to say."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from vivavoce.protocol import errors
from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputItem,
    Item,
    ItemReference,
    McpListToolsItem,
    MessageItem,
    OutputAudio,
)

T = TypeVar("T", bound=InputItem)

ROOT = "root"
"""`previous_item_id` of an item that shall come first (protocol reference 4.11)."""


class Conversation:
    """Items in order. Only the session changes them; whatever leaves here for the wire or an engine is a copy."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self.understood: dict[str, str] = {}
        """What was heard in the audio of a user's item, whether or not the client asked for transcripts."""
        self._order: list[str] = []
        self._items: dict[str, Item] = {}

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._items

    def get(self, item_id: str) -> Item | None:
        """The item itself, or None."""
        return self._items.get(item_id)

    def items(self) -> list[Item]:
        """All items, oldest first."""
        return [self._items[item_id] for item_id in self._order]

    @property
    def last_id(self) -> str | None:
        """The id of the newest item."""
        return self._order[-1] if self._order else None

    def check_new(self, item: Item, previous_item_id: str | None) -> None:
        """Raise ClientError unless `insert` with the same arguments would succeed (protocol reference 4.11)."""
        if item.id and item.id in self._items:
            raise errors.duplicate_item(item.id)
        if item.id == ROOT:
            raise errors.reserved_item_id(ROOT)
        if previous_item_id not in (None, ROOT) and previous_item_id not in self._items:
            raise errors.unknown_previous_item(str(previous_item_id))
        if isinstance(item, FunctionCallOutputItem) and self.call(item.call_id) is None:
            raise errors.unknown_call_id(item.call_id)

    def insert(self, item: Item, previous_item_id: str | None = None) -> str | None:
        """Add an item: at the end, first (`ROOT`), or behind another. Returns the id of its actual predecessor."""
        if previous_item_id is None:
            index = len(self._order)
        else:
            index = 0 if previous_item_id == ROOT else self._order.index(previous_item_id) + 1
        self._order.insert(index, item.id)
        self._items[item.id] = item
        return self._order[index - 1] if index else None

    def predecessor(self, item_id: str) -> str | None:
        """The id of the item before this one."""
        index = self._order.index(item_id)
        return self._order[index - 1] if index else None

    def remove(self, item_id: str) -> None:
        """Take an item out."""
        self._order.remove(item_id)
        del self._items[item_id]
        self.understood.pop(item_id, None)

    def call(self, call_id: str) -> FunctionCallItem | None:
        """The function call of this id."""
        for item in self._items.values():
            if isinstance(item, FunctionCallItem) and item.call_id == call_id:
                return item
        return None

    def unanswered(self) -> list[FunctionCallItem]:
        """Function calls that have no output yet, oldest first."""
        answered = {item.call_id for item in self._items.values() if isinstance(item, FunctionCallOutputItem)}
        return [
            item
            for item in self.items()
            if isinstance(item, FunctionCallItem) and item.call_id not in answered
        ]

    def shown(self) -> list[Item]:
        """The items a model may see: everything but preambles, which are said to the caller and mean nothing to a model, and lists
        of tools, which it sees as its tools."""
        return [
            item
            for item in self.items()
            if not (
                isinstance(item, McpListToolsItem)
                or (isinstance(item, MessageItem) and item.phase == "commentary")
            )
        ]

    def resolve(self, inputs: list[InputItem]) -> tuple[InputItem, ...]:
        """The items a response was given instead of the conversation, references looked up (protocol reference 4.10)."""
        resolved: list[InputItem] = []
        for item in inputs:
            if not isinstance(item, ItemReference):
                resolved.append(self.readable(item))
                continue
            referred = self.get(item.id)
            if referred is None:
                raise errors.unknown_item_reference(item.id)
            resolved.append(self.readable(referred))
        return tuple(resolved)

    def readable(self, item: InputItem) -> InputItem:
        """A copy for an engine: audio parts carry what was understood instead of bytes."""
        if not isinstance(item, MessageItem):
            return snapshot(item)
        understood = self.understood.get(item.id)
        content = [
            InputAudio(transcript=part.transcript if understood is None else understood)
            if isinstance(part, InputAudio)
            else part
            for part in item.content
        ]
        return msgspec.structs.replace(item, content=content)


def snapshot(item: T) -> T:
    """A copy that later changes of the item do not reach."""
    if isinstance(item, MessageItem):
        return msgspec.structs.replace(item, content=[msgspec.structs.replace(part) for part in item.content])
    return msgspec.structs.replace(item)


def spoken_part(item: Item | None) -> OutputAudio | None:
    """The audio part of an assistant's message, if that is what the item is."""
    if isinstance(item, MessageItem) and item.role == "assistant":
        for part in item.content:
            if isinstance(part, OutputAudio):
                return part
    return None
