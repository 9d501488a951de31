"""Where the small machines put what they have to say; the session's driver drains it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import Item
from vivavoce.protocol.server_events import ServerEvent
from vivavoce.session.conversation import snapshot
from vivavoce.session.effects import Effect, Send

NewId = Callable[[str], str]
"""Hands out an identifier of the given prefix ("event", "item", "resp", "call", "gen"); seeded outside (house law 3)."""


class Outbox:
    """Effects in the order they were decided, and the one place where server events get their ids."""

    def __init__(self, new_id: NewId) -> None:
        self.new_id = new_id
        self._effects: list[Effect] = []

    def send(self, event: type[Any], to: str | None = None, **fields: Any) -> None:
        """Send a server event, to every attachment or to one."""
        made: ServerEvent = event(event_id=self.new_id("event"), **fields)
        self._effects.append(Send(made, to))

    def announce(self, item: Item, previous: str | None) -> None:
        """Show an item that is complete from the beginning: `conversation.item.added`, then `.done`."""
        shown = snapshot(item)
        self.send(se.ConversationItemAdded, previous_item_id=previous, item=shown)
        self.send(se.ConversationItemDone, previous_item_id=previous, item=shown)

    def put(self, effect: Effect) -> None:
        """Ask for anything else."""
        self._effects.append(effect)

    def drain(self) -> list[Effect]:
        """Everything since the last drain, in order."""
        effects, self._effects = self._effects, []
        return effects
