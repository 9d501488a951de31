"""What clients may come back to: responses by id, and the words of audio answers. In memory, bounded, oldest out first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class KeptResponse:
    """A response and everything that led to it, oldest first: `items` are input and output items of the Responses API."""

    response: dict[str, Any]
    items: tuple[dict[str, Any], ...] = field(default=())


class Kept:
    """Things of their owners. What was made with one key is unknown to every other key."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[str, str], tuple[Any, int]] = OrderedDict()

    def put(self, owner: str, name: str, thing: Any) -> None:
        """Remember; a thing that is larger than all there is room for is not kept."""
        self.drop(owner, name)
        size = len(msgspec.json.encode(thing))
        self._entries[owner, name] = thing, size
        self._bytes += size
        while self._entries and (len(self._entries) > self._most or self._bytes > self._most_bytes):
            _, (_, freed) = self._entries.popitem(last=False)
            self._bytes -= freed

    def get(self, owner: str, name: str) -> Any | None:
        """A thing, if it is (still) there. Looking at it keeps it longer."""
        entry = self._entries.get((owner, name))
        if entry is None:
            return None
        self._entries.move_to_end((owner, name))
        return entry[0]

    def drop(self, owner: str, name: str) -> bool:
        """Forget; whether there was something to forget."""
        entry = self._entries.pop((owner, name), None)
        if entry is None:
            return False
        self._bytes -= entry[1]
        return True

    def items(self, owner: str) -> list[dict[str, Any]]:
        """All items in an owner's kept responses, for references to single ones."""
        return [
            item
            for (whose, _), (thing, _) in self._entries.items()
            if whose == owner and isinstance(thing, KeptResponse)
            for item in thing.items
        ]
