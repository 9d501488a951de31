"""Turns of the caller that the upstream has taken, until all is there that it promises with that: the item, and the words where somebody wants them.

It promises them by itself, so no question is open while they are on their way; if the link breaks then, only this knows that something is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vivavoce.session.upstream import Failure

MOST = 32
"""Turns at the same time. An upstream that never tells the words of any must not be waited for without end."""

Promised = Literal["item", "words"]


@dataclass(slots=True)
class Turn:
    """What is still to come of one. `previous`: the item before it."""

    previous: str | None
    promised: set[Promised]


class Turns:
    """committed -item-> there -words-> over; words may come first, and where nobody wants any the item is all."""

    def __init__(self) -> None:
        self.failure: Failure | None = None
        """Why the link was lost that their words were to come by, until it is sure that nobody else tells them."""
        self._open: dict[str, Turn] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def committed(self, item_id: str, previous: str | None, *, words: bool) -> None:
        """The upstream has taken what was said. `words`: it is to tell what that was."""
        self._open[item_id] = Turn(previous, {"item", "words"} if words else {"item"})
        while len(self._open) > MOST:
            del self._open[next(iter(self._open))]

    def came(self, item_id: str, what: Promised) -> None:
        """It has kept a promise, or somebody else has in its place."""
        turn = self._open.get(item_id)
        if turn is not None:
            turn.promised.discard(what)
            if not turn.promised:
                del self._open[item_id]

    def gone(self, item_id: str) -> None:
        """Nothing more is expected of it."""
        self._open.pop(item_id, None)

    def waiting_for(self, what: Promised) -> list[tuple[str, str | None]]:
        """The items of turns of which this is still to come, each with the item before it; oldest first."""
        return [(item_id, turn.previous) for item_id, turn in self._open.items() if what in turn.promised]
