"""What was asked of the upstream and is not answered yet: who asked, and under which id of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.session_objects import Tool, VivavoceExtension

ANSWERS: Final = {
    "session.update": "session.updated",
    "conversation.item.create": "conversation.item.added",
    "conversation.item.retrieve": "conversation.item.retrieved",
    "conversation.item.truncate": "conversation.item.truncated",
    "conversation.item.delete": "conversation.item.deleted",
    "input_audio_buffer.commit": "input_audio_buffer.committed",
    "input_audio_buffer.clear": "input_audio_buffer.cleared",
    "response.create": "response.created",
    "response.cancel": "response.done",
}
"""What answers each event of a client, unless an `error` does. The upstream answers events of one type in their order."""
REMEMBERED = 256
"""Questions whose errors can still be told to whoever asked."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a `session.update` changes in front of the upstream, once that has agreed to the rest."""

    tools: list[Tool] | None = None
    extension: VivavoceExtension | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """One event on its way. `source`: whose it is, None for our own."""

    kind: str
    source: str | None = None
    event: ClientEvent | None = None
    change: Change = Change()

    @property
    def event_id(self) -> str | None:
        """The client's own id of it."""
        return self.event.event_id if self.event is not None else None


class Asked:
    """All of them, by the id under which they went up."""

    def __init__(self) -> None:
        self._by_id: dict[str, Ask] = {}
        self._waiting: dict[str, deque[str]] = {answer: deque() for answer in ANSWERS.values()}

    def note(self, up_id: str, ask: Ask) -> None:
        """It is on its way."""
        if len(self._by_id) >= REMEMBERED:
            self._by_id.pop(next(iter(self._by_id)))
        self._by_id[up_id] = ask
        self._waiting[ANSWERS[ask.kind]].append(up_id)

    def answered(self, answer: str) -> Ask | None:
        """An answer of this type has come: to the oldest that waits for one."""
        waiting = self._waiting.get(answer)
        return self._by_id.get(waiting.popleft()) if waiting else None

    def refused(self, up_id: str | None) -> Ask | None:
        """An error has come for this id; None where nobody here has asked it."""
        ask = self._by_id.pop(up_id or "", None)
        if ask is not None and up_id is not None and up_id in self._waiting[ANSWERS[ask.kind]]:
            self._waiting[ANSWERS[ask.kind]].remove(up_id)
        return ask

    def ours(self, answer: str) -> bool:
        """Whether something is to be answered like this that no client has asked."""
        waiting = (self._by_id.get(up_id) for up_id in self._waiting[answer])
        return any(ask is not None and ask.source is None for ask in waiting)

    def outstanding(self, *, responses: bool) -> bool:
        """Whether an answer is due. Those about `responses` wait for one another, as long as one is going on."""
        return any(
            waiting and (responses or not answer.startswith("response."))
            for answer, waiting in self._waiting.items()
        )

    def take_all(self) -> Iterator[Ask]:
        """Nothing is going to be answered any more: what was open, oldest first."""
        open_ids = {up_id for waiting in self._waiting.values() for up_id in waiting}
        asks, self._by_id = self._by_id, {}
        for waiting in self._waiting.values():
            waiting.clear()
        return (ask for up_id, ask in asks.items() if up_id in open_ids)
