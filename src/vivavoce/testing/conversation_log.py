"""The conversation as a client puts it together from events: items linked by `previous_item_id`."""

from __future__ import annotations

from typing import Any

from vivavoce.testing.broken import need

Event = dict[str, Any]


class ConversationLog:
    """Keeps the order of items; whatever a client could not follow raises Broken."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self._open: set[str] = set()
        self._ever: set[str] = set()
        self._expected: str | None = None

    def feed(self, event: Event) -> None:
        """An item was added, done, deleted, retrieved or transcribed."""
        match event["type"]:
            case "conversation.item.added":
                self._added(event)
            case "conversation.item.done":
                item_id = event["item"]["id"]
                need(item_id in self._open, f"{item_id} is done once, after it was added")
                self._open.remove(item_id)
                need(
                    event["previous_item_id"] == self._before(item_id),
                    "an item is done behind its predecessor",
                )
            case "conversation.item.deleted":
                self.known(event["item_id"])
                self.order.remove(event["item_id"])
                self._open.discard(event["item_id"])
            case "conversation.item.retrieved":
                self.known(event["item"]["id"])
            case _:
                need(event["item_id"] in self._ever, "a transcript belongs to an item that was added")

    def expect_commit(self, item_id: str | None) -> None:
        """Speech has stopped: its item comes next. None: what was said is gone."""
        self._expected = item_id

    def committed(self, event: Event) -> None:
        """Audio becomes an item, at the end of the conversation."""
        if self._expected is not None:
            need(event["item_id"] == self._expected, "the item of the speech that stopped is committed")
        self._expected = event["item_id"]
        last = self.order[-1] if self.order else None
        need(event["previous_item_id"] == last, "audio is committed behind the last item")

    def known(self, item_id: str) -> None:
        """The item is in the conversation."""
        need(item_id in self.order, f"{item_id} is an item of the conversation")

    def undone(self) -> set[str]:
        """Items that were added and not done."""
        return set(self._open)

    def _added(self, event: Event) -> None:
        item_id, previous = event["item"]["id"], event["previous_item_id"]
        need(item_id not in self.order, f"{item_id} is added once")
        if self._expected is not None:
            need(item_id == self._expected, "a committed item is added at once")
            self._expected = None
        need(previous is None or previous in self.order, f"the predecessor {previous} exists")
        self.order.insert(0 if previous is None else self.order.index(previous) + 1, item_id)
        self._open.add(item_id)
        self._ever.add(item_id)

    def _before(self, item_id: str) -> str | None:
        index = self.order.index(item_id)
        return self.order[index - 1] if index else None
