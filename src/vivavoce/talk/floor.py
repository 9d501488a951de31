"""Who has the floor, as the client sees it, and waiting until nobody has."""

from __future__ import annotations

import asyncio


class Floor:
    """The caller speaks, answers are awaited or running; when none of it is so, the call is idle."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        """Ids of responses that have begun and not ended."""
        self.speech_seen = 0
        """How often the caller began to speak."""
        self._speaking = False
        self._asked: set[str] = set()
        self._owed = 0
        self._dropped: set[str] = set()
        self._moved = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Nobody speaks and nothing is awaited."""
        return not self._speaking and self.unanswered == 0

    @property
    def unanswered(self) -> int:
        """Answers that run or are awaited."""
        return len(self.running) + len(self._asked) + self._owed

    async def until_moved(self) -> None:
        """Wait for the next change."""
        self._moved.clear()
        await self._moved.wait()

    async def until_idle(self) -> None:
        """Wait until nobody speaks and nothing is awaited."""
        while not self.idle:
            await self.until_moved()

    async def until_answered(self) -> None:
        """Wait until nothing is awaited, whether or not the caller speaks."""
        while self.unanswered:
            await self.until_moved()

    def caller_speaks(self) -> None:
        """Speech was detected."""
        self._speaking = True
        self.speech_seen += 1
        self._moved.set()

    def caller_stops(self, *, answer_follows: bool) -> None:
        """The turn is over; with `answer_follows` the server answers unasked."""
        self._speaking = False
        self._owed += answer_follows
        self._moved.set()

    def expect(self, event_id: str) -> None:
        """An answer was asked for by this event."""
        self._asked.add(event_id)
        self._moved.set()

    def refused(self, event_id: str | None) -> None:
        """The server did not do what this event asked for."""
        self._asked.discard(event_id or "")
        self._moved.set()

    def begins(self, response_id: str) -> None:
        """An answer begins: the one that was asked for, or the one that follows a turn."""
        if self._owed:
            self._owed -= 1
        elif self._asked:
            self._asked.pop()
        self.running.add(response_id)
        self._moved.set()

    def ends(self, response_id: str) -> None:
        """An answer is over."""
        self.running.discard(response_id)
        self._moved.set()

    def drop_running(self) -> None:
        """The caller cut in: nothing more of what runs now is to be heard."""
        self._dropped |= self.running

    def is_dropped(self, response_id: str) -> bool:
        """Whether the caller cut this answer off."""
        return response_id in self._dropped
