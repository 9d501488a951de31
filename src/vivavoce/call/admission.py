"""Who may still come in: how many sessions there are, whose they are, and which process has them.

One table, wherever the sessions are served. A server of one process asks it directly (`Seats`), a server of several asks the process
that started them, so that limits count for all of them together and a call can be found from anywhere (docs/adr/0026-workers-of-the-server.md).
"""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger("vivavoce.server")

FULL_RETRY_S = 5
"""A session lasts minutes; a client that comes back after seconds neither hammers the server nor waits long for a free seat."""
DRAINING_RETRY_S = 10
"""About what a restart takes."""
TOLD_EVERY_S = 10.0
"""A crowd before the door must not fill the log."""
PAST_CALLS = 1000
"""Calls that are over and whose process is still known: it may be asked about them."""


@dataclass(frozen=True, slots=True)
class Full:
    """Why nobody else is admitted: HTTP status, the error's type, code and words, and when to come back."""

    status: int
    type: str
    code: str
    message: str
    retry_after_s: int = FULL_RETRY_S


DRAINING = Full(
    503, "server_error", "server_draining", "The server is about to stop. Try again.", DRAINING_RETRY_S
)


class Refused:
    """How many were turned away and why; the log is told at once, then at most every ten seconds."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`what`: is refused, in the singular."""
        self.counts: Counter[str] = Counter()
        self._what = what
        self._clock = clock
        self._told_s = -TOLD_EVERY_S

    def count(self, full: Full) -> Full:
        """One more; returns the reason."""
        self.counts[full.code] += 1
        if self._clock() - self._told_s >= TOLD_EVERY_S:
            self._told_s = self._clock()
            far = ", ".join(f"{number} {code}" for code, number in sorted(self.counts.items()))
            log.warning("refused a %s: %s (since the start: %s)", self._what, full.message, far)
        return full


@dataclass(frozen=True, slots=True)
class Taken:
    """How full it is: sessions of all processes, and how many were turned away since the start, by code."""

    sessions: int
    refused: dict[str, int]


class Admission(Protocol):
    """Seats for sessions, as whoever opens one sees them."""

    async def look(self) -> Taken:
        """How full it is."""

    async def take(self, call_id: str, holder: str) -> Full | None:
        """Ask for a seat. `holder`: whose key it is, never the key itself; empty where there are none. None: it is taken."""

    def leave(self, call_id: str) -> None:
        """The session is over. Harmless for one that never had a seat."""


class Seats:
    """The table. 0 as a limit means none."""

    def __init__(self, max_sessions: int = 0, max_sessions_per_key: int = 0) -> None:
        self.draining = False
        self.refused = Refused("session")
        self._most = max_sessions
        self._most_each = max_sessions_per_key
        self._taken: dict[str, tuple[int, str]] = {}
        self._held: Counter[str] = Counter()
        self._in_worker: Counter[int] = Counter()
        self._past: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._taken)

    def look(self) -> Taken:
        """How full it is."""
        return Taken(len(self._taken), dict(self.refused.counts))

    def take(self, call_id: str, holder: str, worker: int = 0) -> Full | None:
        """Give a seat in process `worker`, or say why not."""
        full = self._full(holder)
        if full is not None:
            return self.refused.count(full)
        self._taken[call_id] = worker, holder
        self._held[holder] += 1
        self._in_worker[worker] += 1
        return None

    def _full(self, holder: str) -> Full | None:
        if self.draining:
            return DRAINING
        if self._most and len(self._taken) >= self._most:
            message = f"All {self._most} sessions of this server are taken. Try again later."
            return Full(503, "server_error", "server_overloaded", message)
        if self._most_each and holder and self._held[holder] >= self._most_each:
            message = f"This API key has reached its limit of {self._most_each} sessions at the same time."
            return Full(429, "rate_limit_error", "rate_limit_exceeded", message)
        return None

    def leave(self, call_id: str) -> None:
        """Free a seat, if it was taken."""
        if call_id not in self._taken:
            return
        worker, holder = self._taken.pop(call_id)
        self._in_worker[worker] -= 1
        self._held[holder] -= 1
        if not self._held[holder]:
            del self._held[holder]
        self._past[call_id] = worker
        if len(self._past) > PAST_CALLS:
            self._past.popitem(last=False)

    def drop(self, worker: int) -> None:
        """A process is gone, and all its sessions with it."""
        for call_id, (owner, _) in list(self._taken.items()):
            if owner == worker:
                self.leave(call_id)
        for call_id, owner in list(self._past.items()):
            if owner == worker:
                del self._past[call_id]

    def owner(self, call_id: str) -> int | None:
        """The process that has a call, or had it not long ago."""
        found = self._taken.get(call_id)
        return self._past.get(call_id) if found is None else found[0]

    def count(self, worker: int) -> int:
        """How many sessions a process has."""
        return self._in_worker[worker]


class OwnSeats:
    """Admission where one process serves everything."""

    def __init__(self, seats: Seats) -> None:
        self.seats = seats

    async def look(self) -> Taken:
        """Seen at once."""
        return self.seats.look()

    async def take(self, call_id: str, holder: str) -> Full | None:
        """Answered at once."""
        return self.seats.take(call_id, holder)

    def leave(self, call_id: str) -> None:
        """Free a seat."""
        self.seats.leave(call_id)
