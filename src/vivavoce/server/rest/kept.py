"""What clients may come back to: responses by id, and the words of audio answers. In memory, bounded, oldest out first.

Where several processes serve, the one that started them has the shelf, so that a client finds what it made wherever its next request is
handed to (docs/adr/0041-what-the-processes-share.md).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

import msgspec


class Put(msgspec.Struct, tag=True, frozen=True):
    """Remember `body`. `item_ids`: what is found in it beside its name."""

    owner: str
    name: str
    body: bytes
    item_ids: tuple[str, ...] = ()


class Get(msgspec.Struct, tag=True, frozen=True):
    """What is kept under a name. Looking at it keeps it longer."""

    owner: str
    name: str


class Find(msgspec.Struct, tag=True, frozen=True):
    """The newest thing that holds an item."""

    owner: str
    item_id: str


class Drop(msgspec.Struct, tag=True, frozen=True):
    """Forget."""

    owner: str
    name: str


ShelfRequest = Put | Get | Find | Drop


class Shelf:
    """Bytes of their owners. What was made with one key is unknown to every other key."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[str, str], Put] = OrderedDict()

    def do(self, request: ShelfRequest) -> bytes | None:
        """Carry out a request; what was asked for, where something was."""
        match request:
            case Put():
                self._put(request)
            case Get(owner=owner, name=name):
                entry = self._entries.get((owner, name))
                if entry is not None:
                    self._entries.move_to_end((owner, name))
                    return entry.body
            case Find(owner=owner, item_id=item_id):
                for entry in reversed(self._entries.values()):
                    if entry.owner == owner and item_id in entry.item_ids:
                        return entry.body
            case Drop(owner=owner, name=name):
                self._drop(owner, name)
        return None

    def _put(self, entry: Put) -> None:
        """A thing that is larger than all there is room for is not kept."""
        self._drop(entry.owner, entry.name)
        if len(entry.body) > self._most_bytes:
            return
        self._entries[entry.owner, entry.name] = entry
        self._bytes += len(entry.body)
        while len(self._entries) > self._most or self._bytes > self._most_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= len(oldest.body)

    def _drop(self, owner: str, name: str) -> None:
        entry = self._entries.pop((owner, name), None)
        if entry is not None:
            self._bytes -= len(entry.body)


class AskShelf(Protocol):
    """A shelf, wherever it stands."""

    async def ask(self, request: ShelfRequest) -> bytes | None:
        """Carry out a request; when it returns, every process sees what came of it."""


class OwnShelf:
    """Where one process serves everything."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._shelf = Shelf(most, most_bytes)

    async def ask(self, request: ShelfRequest) -> bytes | None:
        """Answered at once."""
        return self._shelf.do(request)


class KeptResponse(msgspec.Struct, frozen=True):
    """A response and everything that led to it, oldest first: `items` are input and output items of the Responses API."""

    response: dict[str, Any]
    items: tuple[dict[str, Any], ...] = ()


class Kept:
    """What the endpoints keep on the shelf. `owner`: whose key it is, never the key."""

    def __init__(self, shelf: AskShelf, most_bytes: int) -> None:
        self._shelf = shelf
        self._most_bytes = most_bytes

    async def keep_response(self, owner: str, kept: KeptResponse) -> None:
        """Under the response's own id."""
        ids = tuple(item["id"] for item in kept.items if "id" in item)
        await self._put(owner, f"response/{kept.response['id']}", kept, ids)

    async def response(self, owner: str, response_id: str) -> KeptResponse | None:
        """A response, if it is (still) there."""
        body = await self._shelf.ask(Get(owner, f"response/{response_id}"))
        return None if body is None else msgspec.json.decode(body, type=KeptResponse)

    async def forget_response(self, owner: str, response_id: str) -> None:
        """As its client asks."""
        await self._shelf.ask(Drop(owner, f"response/{response_id}"))

    async def keep_elsewhere(self, owner: str, response_id: str) -> None:
        """The upstream keeps it; here it is known whose it is."""
        await self._put(owner, f"elsewhere/{response_id}", True)

    async def is_elsewhere(self, owner: str, response_id: str) -> bool:
        """Whether the upstream keeps a response that was made with this key."""
        return await self._shelf.ask(Get(owner, f"elsewhere/{response_id}")) is not None

    async def forget_elsewhere(self, owner: str, response_id: str) -> None:
        """The upstream has forgotten it."""
        await self._shelf.ask(Drop(owner, f"elsewhere/{response_id}"))

    async def item(self, owner: str, item_id: str) -> dict[str, Any] | None:
        """A single item of a kept response, for references to it."""
        body = await self._shelf.ask(Find(owner, item_id))
        if body is None:
            return None
        items = msgspec.json.decode(body, type=KeptResponse).items
        return next(item for item in items if item.get("id") == item_id)

    async def keep_words(self, owner: str, audio_id: str, words: str) -> None:
        """What an audio answer says."""
        await self._put(owner, f"audio/{audio_id}", words)

    async def words(self, owner: str, audio_id: str) -> str | None:
        """The same, for the conversation's next request."""
        body = await self._shelf.ask(Get(owner, f"audio/{audio_id}"))
        return None if body is None else msgspec.json.decode(body, type=str)

    async def _put(self, owner: str, name: str, thing: object, item_ids: tuple[str, ...] = ()) -> None:
        body = msgspec.json.encode(thing)
        if len(body) <= self._most_bytes:
            await self._shelf.ask(Put(owner, name, body, item_ids))
